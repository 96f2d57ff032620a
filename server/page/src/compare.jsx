// Adding the results of other jobs beside this one.

import { useState } from "preact/hooks";
import { callTool } from "./host.js";

export function Compare({ shownIds, onAdd }) {
  const [jobs, setJobs] = useState(null);
  const [picked, setPicked] = useState("");
  const [said, setSaid] = useState("");
  const load = async () => {
    setSaid("Looking for results …");
    try {
      const found = (await callTool("list_jobs", { status: "DONE", limit: 50 })).structuredContent.jobs;
      const others = found.filter((job) => !shownIds.includes(job.job_id));
      setJobs(others);
      setPicked(others[0]?.job_id ?? "");
      setSaid(others.length ? "" : "There is no other result.");
    } catch (error) {
      setSaid(`Not found: ${error.message}`);
    }
  };
  const add = () => {
    onAdd(picked);
    setJobs(null);
  };
  return (
    <p class="tools">
      {jobs?.length ? (
        <>
          <label>
            Result of{" "}
            <select value={picked} onChange={(event) => setPicked(event.currentTarget.value)}>
              {jobs.map((job) => (
                <option value={job.job_id}>
                  {`${job.function ?? "job"}, ${new Date(job.created).toLocaleString("en", { dateStyle: "medium", timeStyle: "medium" })}, ${job.job_id.slice(0, 8)}`}
                </option>
              ))}
            </select>
          </label>
          <button type="button" onClick={add}>Show beside it</button>
          <button type="button" onClick={() => setJobs(null)}>Cancel</button>
        </>
      ) : (
        <button type="button" onClick={load}>Compare with another result …</button>
      )}
      <span role="status" dir="auto">{said}</span>
    </p>
  );
}
