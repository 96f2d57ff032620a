// A chat as far as the page needs one: a host's page in Chromium with the official AppBridge, whose tool calls go to a
// real server over stdio. The frame has the default policy of the specification and no rights but scripts.

import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const PAGE = "ui://qiskit-functions/job";
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "media-src 'self' data:",
  "connect-src 'none'",
].join("; ");

export async function startServer(...flags) {
  const home = await mkdtemp(join(tmpdir(), "page-"));
  const transport = new StdioClientTransport({
    command: process.env.QISKIT_FUNCTIONS_TEST_SERVER,
    args: ["--consent", "never", "--home", join(home, "data"), ...flags],
    env: { PATH: process.env.PATH, HOME: home },
    cwd: home,
    stderr: "ignore",
  });
  const client = new Client(
    { name: "chat", version: "1" },
    { capabilities: { extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } } } },
  );
  await client.connect(transport);
  const call = (name, args) => client.callTool({ name, arguments: args });
  return {
    call,
    page: async () => (await client.readResource({ uri: PAGE })).contents[0].text,
    async run(function_, args, waitSeconds = 50) {
      const answer = await call("run_function", { function: function_, arguments: args, wait_seconds: waitSeconds });
      if (answer.isError) throw new Error(JSON.stringify(answer.structuredContent));
      return answer;
    },
    async end() {
      await client.close();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export async function startBrowser() {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "host.js")],
    bundle: true,
    write: false,
    format: "iife",
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    // CI runs it in containers, whose kernels often allow no sandbox of its own.
    args: ["--no-sandbox"],
  });
  return { browser, host: `<!doctype html><body style="margin:8px"><script>${outputFiles[0].text}</script>` };
}

// Opens a chat. `answers` replaces a tool's answer by a function of its arguments, so that a test can show the page
// what no real job would; all other calls go to the server. `can` adds to what the host can do, or with null takes
// from it. With `hasClock`, time passes only by `page.clock`.
export async function openChat({ browser, host }, server, options = {}) {
  const { width = 720, theme = "light", answers = {}, can = {}, hasClock = false } = options;
  const page = await browser.newPage({ viewport: { width, height: 700 } });
  if (hasClock) await page.clock.install();
  const html = await server.page();
  const chat = { page, calls: [], downloads: [], faults: [], frame: page.frameLocator("iframe") };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) chat.faults.push(message.text());
  });
  page.on("pageerror", (error) => chat.faults.push(String(error)));
  page.on("dialog", (dialog) => {
    chat.faults.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.route("**/*", (route) => {
    const url = route.request().url();
    if (url === "http://chat.test/") return route.fulfill({ contentType: "text/html", body: host });
    if (url === "http://frame.test/")
      return route.fulfill({ contentType: "text/html", body: html, headers: { "Content-Security-Policy": POLICY } });
    chat.faults.push(`a request to ${url}`);
    return route.abort();
  });
  let open = 0;
  await page.exposeFunction("callTool", async (name, args) => {
    chat.calls.push([name, args]);
    open += 1;
    try {
      return await (answers[name] ? answers[name](args) : server.call(name, args));
    } finally {
      open -= 1;
    }
  });
  // Waits until the page has the answers to all that it has asked.
  chat.answered = async () => {
    do {
      for (const place of [page, chat.frame.locator("body"), page, chat.frame.locator("body")])
        await place.evaluate(() => 0);
    } while (open);
  };
  await page.exposeFunction("saveFile", (contents) => chat.downloads.push(contents[0].resource));
  await page.goto("http://chat.test/");
  await page.evaluate((options) => window.openFrame(options), { theme, can });
  chat.show = (input, result) => page.evaluate((told) => window.tell(told), { input, result });
  chat.setContext = (context) => page.evaluate((told) => window.setContext(told), context);
  chat.teardown = () => page.evaluate(() => window.teardown());
  return chat;
}

// Saves what a person sees, for one to look at.
export async function screenshot(chat, name) {
  const folder = process.env.QISKIT_FUNCTIONS_TEST_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  // Chromium paints of a frame only what the window shows.
  const height = await chat.page.evaluate(() => Math.max(document.body.scrollHeight, 200) + 16);
  await chat.page.setViewportSize({ width: chat.page.viewportSize().width, height });
  await chat.page.screenshot({ path: join(folder, `${name}.png`) });
}

export const axeSource = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const functionSource = () => readFile(new URL("show.py", import.meta.url), "utf8");
