// The page: the job of the call that it was opened for, and others beside it.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Compare } from "./compare.jsx";
import { Host } from "./context.js";
import { connect, textOf } from "./host.js";
import { Job } from "./job.jsx";
import { scaleOf } from "./result.jsx";
import { applyTheme } from "./theme.js";

// More columns are too narrow for any host.
const MOST_BESIDE = 3;

function Page() {
  const [host, setHost] = useState(null);
  const [theme, setTheme] = useState(undefined);
  const [call, setCall] = useState({ input: {}, result: null, isCancelled: false });
  const [others, setOthers] = useState([]);
  const [views, setViews] = useState({});
  const [isOver, setOver] = useState(false);
  const [trouble, setTrouble] = useState(null);
  useEffect(() => {
    connect({
      input: (input) => setCall((before) => ({ ...before, input })),
      result: (result) => setCall((before) => ({ ...before, result })),
      cancelled: () => setCall((before) => ({ ...before, isCancelled: true })),
      context: (context) => {
        applyTheme(context);
        setTheme(context.theme);
      },
      teardown: () => setOver(true),
    }).then(setHost, (error) => setTrouble(error.message));
  }, []);

  if (trouble) return <p>This page is for hosts with MCP Apps: {trouble}.</p>;
  if (!host) return <p role="status">Connecting to the host …</p>;
  const told = call.result?.structuredContent ?? {};
  const jobId = told.job_id ?? call.input.job_id;
  if (!jobId) return <NoJob call={call} told={told} />;

  const canCall = Boolean(host.serverTools) && !isOver;
  const shownIds = [jobId, ...others];
  const scale = others.length ? scaleOf(shownIds.map((id) => views[id]?.result)) : {};
  const onView = (id, view) => setViews((before) => ({ ...before, [id]: view }));
  return (
    <Host.Provider value={{ theme, canCall, canSave: Boolean(host.downloadFile), scale }}>
      <div class="jobs">
        <Job key={jobId} jobId={jobId} known={knownFrom(jobId, call, told)} canCall={canCall} onView={onView} />
        {others.map((id) => (
          <Job
            key={id}
            jobId={id}
            canCall={canCall}
            onView={onView}
            onRemove={() => setOthers((before) => before.filter((other) => other !== id))}
          />
        ))}
      </div>
      {!canCall && !isOver && <p class="faint">This host shows only what the call answered.</p>}
      {canCall && views[jobId]?.result && others.length < MOST_BESIDE && (
        <Compare shownIds={shownIds} onAdd={(id) => setOthers((before) => [...before, id])} />
      )}
    </Host.Provider>
  );
}

// What the call has told of its job: the job itself, or with get_job_result the summary of its result.
function knownFrom(jobId, { result }, told) {
  if (!result || result.isError) return null;
  if (told.status) return told;
  return told.parts ? { job_id: jobId, status: "DONE", result: told } : null;
}

const STARTED = {
  yes: "A job was started, but could not be followed.",
  unknown: "It is not known whether a job was started.",
};

function NoJob({ call: { input, result, isCancelled }, told }) {
  if (isCancelled) return <p role="status">The call was cancelled.</p>;
  if (!result) return <p role="status">{input.function ? `Starting ${input.function} …` : "Waiting for the call …"}</p>;
  const words = [told.declined ?? told.message ?? textOf(result), told.next_step];
  return (
    <div role="status">
      <p><b>{STARTED[told.submitted] ?? "No job was started."}</b></p>
      {words.filter(Boolean).map((text) => <p dir="auto">{text}</p>)}
    </div>
  );
}

render(<Page />, document.getElementById("page"));
