// A session as hosts that are built on the TypeScript SDK have it: list, upload (and agree to that), run, wait,
// read, fail. What was seen goes to stdout as JSON.
//
//     node client.mjs <folder with node_modules> <command> [arguments of the command…]
import { createRequire } from "node:module";

const [folder, command, ...args] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { ElicitRequestSchema } = require("@modelcontextprotocol/sdk/types.js");

const SOURCE = `
import json, os, pathlib
arguments = json.loads(pathlib.Path(os.environ["ARGUMENTS_PATH"]).read_text())
print("doubling", arguments["number"])
pathlib.Path(os.environ["RESULTS_PATH"]).write_text(json.dumps({"doubled": 2 * arguments["number"]}))
`;

const seen = { questions: [], progress: [] };
const client = new Client({ name: "foreign", version: "1" }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  seen.questions.push(request.params.message);
  return { action: "accept", content: { go_ahead: true } };
});

async function call(name, given) {
  const onprogress = ({ message }) => seen.progress.push(message);
  return await client.callTool({ name, arguments: given }, undefined, { onprogress });
}

await client.connect(new StdioClientTransport({ command, args, stderr: "ignore" }));
seen.server = client.getServerVersion().name;
// From here on the client checks every answer against the tool's output schema.
seen.tools = (await client.listTools()).tools.map((tool) => tool.name);
seen.uploaded = (await call("upload_function", { title: "double", source: SOURCE })).structuredContent;
const run = { function: "double", arguments: { number: 21 }, wait_seconds: 0.1 };
let job = (await call("run_function", run)).structuredContent;
while (!["DONE", "ERROR", "CANCELED"].includes(job.status)) {
  job = (await call("wait_for_job", { job_id: job.job_id })).structuredContent;
}
seen.job = job;
seen.result = (await call("get_job_result", { job_id: job.job_id })).structuredContent;
seen.log = (await call("get_job_logs", { job_id: job.job_id })).content[0].text;
seen.refused = await call("run_function", { function: "no-such-function" });
await client.close();
console.log(JSON.stringify(seen));
