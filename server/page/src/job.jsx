// A job: its status while it runs, why it failed, and what it saved.

import { useEffect, useRef, useState } from "preact/hooks";
import { FINAL, useJob } from "./follow.js";
import { duration, short } from "./format.js";
import { callTool } from "./host.js";
import { Result } from "./result.jsx";

const WORDS = {
  QUEUED: "Queued",
  INITIALIZING: "Starting",
  RUNNING: "Running",
  DONE: "Done",
  ERROR: "Failed",
  CANCELED: "Stopped",
};

// `known` is what the call that the page was opened for has told already.
export function Job({ jobId, known, canCall, onView, onRemove }) {
  const { view: followed, trouble, isFollowed, askNow } = useJob(jobId, canCall);
  // What the model was given of a result is less than what comes; it is shown where nothing comes.
  const isComing = canCall && !followed && !trouble;
  const view = followed ?? (isComing && known?.result ? { ...known, result: undefined } : known);
  const heading = useRef();
  useEffect(() => {
    if (view) onView(jobId, view);
  }, [view]);
  if (!view) return <p role="status">{trouble ?? `Looking up job ${jobId} …`}</p>;
  const isFinal = FINAL.has(view.status);
  const onStopped = async () => {
    await askNow();
    // The button that had the focus goes away.
    heading.current?.focus();
  };
  return (
    <article aria-label={`Job ${jobId}`}>
      <header>
        <h2 ref={heading} tabindex="-1"><bdi>{view.function ?? "Job"}</bdi></h2>
        <p role="status" class={`status ${view.status}`}>
          <b>{WORDS[view.status] ?? view.status ?? "Unknown"}</b>
          {!isFinal && view.sub_status && <span dir="auto">{view.sub_status.replaceAll("_", " ").toLowerCase()}</span>}
          {view.queue_position && <span>number {view.queue_position} of your own in the queue</span>}
        </p>
        {view.elapsed_seconds !== undefined && <Elapsed view={view} isTicking={!isFinal && isFollowed && canCall} />}
        {view.seconds_used !== undefined && <p class="faint">{duration(view.seconds_used)} of the quota used</p>}
        {onRemove && <button type="button" class="end" onClick={onRemove}>Remove from comparison</button>}
        {!onRemove && !isFinal && canCall && view.can_stop && <Stop jobId={jobId} onStopped={onStopped} />}
      </header>
      <p class="faint">
        {view.created && <>{new Date(view.created).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}, </>}
        <span class="code">{jobId}</span>
      </p>
      {trouble && <p class="warning" role="alert" dir="auto">The job could not be read: {trouble}</p>}
      {!isFinal && !isFollowed && canCall && (
        <p>
          This page no longer follows the job. <button type="button" onClick={askNow}>Follow it again</button>
        </p>
      )}
      {view.failure && <Failure failure={view.failure} />}
      {isComing && known?.result && <p role="status">Reading the result …</p>}
      {view.result && <Result view={{ job_id: jobId, ...view }} />}
      {view.status === "DONE" && !view.result && !isComing && (view.no_result || view.left_out) && (
        <p dir="auto">{view.no_result ?? `Not shown: ${view.left_out}.`}</p>
      )}
      <Log view={view} isOpen={!isFinal || view.status === "ERROR"} />
    </article>
  );
}

function Elapsed({ view, isTicking }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isTicking) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isTicking]);
  const since = isTicking && view.at ? Math.max(now - view.at, 0) / 1_000 : 0;
  // Not announced: a reader that said every second would say nothing else.
  return (
    <p class="faint" role="timer" aria-live="off" aria-label="Elapsed time">
      {duration(isTicking ? Math.floor(view.elapsed_seconds + since) : view.elapsed_seconds)}
    </p>
  );
}

function Stop({ jobId, onStopped }) {
  const [step, setStep] = useState("ready");
  const [trouble, setTrouble] = useState(null);
  const keep = useRef();
  const stop = useRef();
  const wasAsking = useRef(false);
  useEffect(() => {
    if (step === "asking") keep.current.focus();
    else if (wasAsking.current && step === "ready") stop.current.focus();
    wasAsking.current = step === "asking";
  }, [step]);
  const reallyStop = async () => {
    setStep("stopping");
    try {
      await callTool("stop_job", { job_id: jobId }, { mayAsk: true });
      setTrouble(null);
      await onStopped();
    } catch (error) {
      setTrouble(error.message);
      setStep("ready");
    }
  };
  if (step === "asking")
    return (
      <div
        class="question"
        role="alertdialog"
        aria-label="Stop this job? What it has not saved is lost."
        onKeyDown={(event) => event.key === "Escape" && setStep("ready")}
      >
        <span>Stop this job? What it has not saved is lost.</span>
        <button type="button" class="danger" onClick={reallyStop}>Stop the job</button>
        <button type="button" ref={keep} onClick={() => setStep("ready")}>Keep it running</button>
      </div>
    );
  return (
    <>
      <button type="button" class="end" ref={stop} disabled={step === "stopping"} onClick={() => setStep("asking")}>
        {step === "stopping" ? "Stopping …" : "Stop …"}
      </button>
      {trouble && <p class="warning" role="alert" dir="auto">Not stopped: {trouble}</p>}
    </>
  );
}

const Failure = ({ failure: { message, context, causes } }) => (
  <section class="failure" aria-label="Why it failed">
    <p dir="auto"><b>{message}</b></p>
    {context && (
      <details open={context.length <= 12}>
        <summary>Where it happened</summary>
        <pre tabindex="0">{context.join("\n")}</pre>
      </details>
    )}
    {causes && (
      <>
        <p>Caused by:</p>
        <pre tabindex="0">{causes.join("\n")}</pre>
      </>
    )}
  </section>
);

function Log({ view, isOpen }) {
  const box = useRef();
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (box.current && isAtEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [view.log]);
  if (view.no_log) return <p class="faint" dir="auto">The log could not be read: {view.no_log}</p>;
  if (!view.log) return null;
  const before = view.log_left_out ? `, after ${short(view.log_left_out)} lines` : "";
  return (
    <details open={isOpen}>
      <summary>End of the log{before}</summary>
      <pre
        ref={box}
        class="log"
        role="log"
        aria-live="off"
        aria-label="End of the log"
        tabindex="0"
        onScroll={({ currentTarget: pre }) => {
          isAtEnd.current = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
        }}
      >
        {view.log}
      </pre>
    </details>
  );
}
