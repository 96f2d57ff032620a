// The page's side of MCP Apps, revision 2026-01-26: JSON-RPC by postMessage with the window that frames the page.
// The official App class has 150 kB gzipped, which is all that the page may have; tests run this against the official
// AppBridge instead.

const REVISION = "2026-01-26";
// A server's tools answer within 60 s, and before some of them the host asks the person.
const PATIENCE_MS = 75_000;
const PATIENCE_WITH_PERSON_MS = 600_000;
const METHOD_NOT_FOUND = -32601;

const waiting = new Map();
let lastId = 0;

const send = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

function request(method, params, patience = PATIENCE_MS) {
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(id, { error: { message: "the host did not answer" } }), patience);
    waiting.set(id, { resolve, reject, timer });
    send({ id, method, params });
  });
}

function settle(id, { result, error }) {
  const asked = waiting.get(id);
  if (!asked) return;
  waiting.delete(id);
  clearTimeout(asked.timer);
  if (error) asked.reject(new Error(error.message));
  else asked.resolve(result);
}

// Connects to the host, and returns what it can do. `on` has a function for each notification: input, result,
// cancelled, context; and one for the end of the page: teardown.
export async function connect(on) {
  const context = {};
  const notified = {
    "ui/notifications/tool-input": (params) => on.input(params.arguments ?? {}),
    "ui/notifications/tool-result": on.result,
    "ui/notifications/tool-cancelled": on.cancelled,
    "ui/notifications/host-context-changed": (params) => on.context(Object.assign(context, params)),
  };
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || data?.jsonrpc !== "2.0") return;
    const { id, method, params } = data;
    if (method === undefined) settle(id, data);
    else if (id === undefined) notified[method]?.(params ?? {});
    else if (method === "ping") send({ id, result: {} });
    else if (method === "ui/resource-teardown") {
      on.teardown();
      send({ id, result: {} });
    } else send({ id, error: { code: METHOD_NOT_FOUND, message: `the page has no method ${method}` } });
  });
  const told = await request("ui/initialize", {
    appInfo: { name: "qiskit-functions-page", version: "1" },
    appCapabilities: {},
    protocolVersion: REVISION,
  });
  on.context(Object.assign(context, told.hostContext));
  send({ method: "ui/notifications/initialized", params: {} });
  // The body, not the document: a document is never lower than its frame, which could then only grow.
  new ResizeObserver(() => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    send({ method: "ui/notifications/size-changed", params: { height } });
  }).observe(document.body);
  return told.hostCapabilities ?? {};
}

// Calls a tool of the server through the host. A failed call raises its message.
export async function callTool(name, args, { mayAsk = false } = {}) {
  const patience = mayAsk ? PATIENCE_WITH_PERSON_MS : PATIENCE_MS;
  const result = await request("tools/call", { name, arguments: args }, patience);
  if (!result.isError) return result;
  const { message, next_step: nextStep } = result.structuredContent ?? {};
  throw new Error(message ? [message, nextStep].filter(Boolean).join(" ") : textOf(result) || `${name} failed`);
}

export const textOf = (result) =>
  (result.content ?? [])
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("\n");

// Hands a file to the host, which asks the person where to; frames may not download by themselves.
export async function download(name, mimeType, text) {
  const resource = { uri: `file:///${encodeURIComponent(name)}`, mimeType, text };
  const answer = await request("ui/download-file", { contents: [{ type: "resource", resource }] }, PATIENCE_WITH_PERSON_MS);
  if (answer?.isError) throw new Error("the host did not save the file");
}

// Copies text. Hosts that do not grant the clipboard still allow the older way, which needs a selection.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    if (!isCopied) throw new Error("the host does not let the page copy");
  }
}
