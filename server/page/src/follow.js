// Follows a job until it has ended: slower and slower, and for some hours at most.

import { useEffect, useRef, useState } from "preact/hooks";
import { callTool } from "./host.js";

const FIRST_MS = 1_000;
const SLOWEST_MS = 10_000;
const GROWTH = 1.25;
// Where an answer takes long, asking is expensive.
const REST_PER_ANSWER = 4;
const END_MS = 3 * 3_600_000;
const MOST_FAILURES = 5;

export const FINAL = new Set(["DONE", "ERROR", "CANCELED"]);

// Returns the newest view of a job, what went wrong with asking for it, whether it is still followed, and a function
// that asks at once. Asks nothing while `isOn` is false.
export function useJob(jobId, isOn) {
  const [state, setState] = useState({ view: null, trouble: null, isFollowed: true });
  const askNow = useRef(() => {});
  useEffect(() => {
    if (!jobId || !isOn) return undefined;
    let timer, delay, failures, end, kind;
    let isGone = false;
    let isAsking = false;

    async function ask() {
      clearTimeout(timer);
      if (isAsking || isGone) return;
      isAsking = true;
      const begun = performance.now();
      try {
        const view = (await callTool("get_job_view", { job_id: jobId })).structuredContent;
        if (isGone) return;
        failures = 0;
        const newKind = `${view.status} ${view.sub_status}`;
        delay = newKind === kind ? Math.min(delay * GROWTH, SLOWEST_MS) : FIRST_MS;
        kind = newKind;
        setState({ view: { ...view, at: Date.now() }, trouble: null, isFollowed: !FINAL.has(view.status) });
        if (FINAL.has(view.status)) return;
      } catch (error) {
        if (isGone) return;
        failures += 1;
        delay = Math.min(delay * GROWTH * 2, SLOWEST_MS);
        setState((before) => ({ ...before, trouble: error.message }));
      } finally {
        isAsking = false;
      }
      if (failures >= MOST_FAILURES || Date.now() > end) {
        setState((before) => ({ ...before, isFollowed: false }));
      } else if (!document.hidden) {
        timer = setTimeout(ask, Math.max(delay, REST_PER_ANSWER * (performance.now() - begun)));
      }
    }
    function start() {
      [delay, failures, end] = [FIRST_MS, 0, Date.now() + END_MS];
      setState((before) => ({ ...before, isFollowed: true }));
      return ask();
    }
    const onVisible = () => {
      if (!document.hidden && !FINAL.has(kind?.split(" ")[0])) ask();
    };
    askNow.current = start;
    document.addEventListener("visibilitychange", onVisible);
    start();
    return () => {
      isGone = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [jobId, isOn]);
  return { ...state, askNow: () => askNow.current() };
}
