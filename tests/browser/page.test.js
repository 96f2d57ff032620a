// The page in real Chromium: what a person can read and press, in each of its views.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeSource, functionSource, openChat, screenshot, startBrowser, startServer } from "./chat.js";

let server, chromium;

before(async () => {
  [server, chromium] = await Promise.all([startServer(), startBrowser()]);
  const uploaded = await server.call("upload_function", { title: "show", source: await functionSource() });
  assert.ok(!uploaded.isError, JSON.stringify(uploaded.structuredContent));
});

after(async () => {
  await chromium?.browser.close();
  await server?.end();
});

// Opens the page of a job that has ended, as for a call of wait_for_job.
async function openResult(what, options = {}) {
  const answer = await server.run("show", { what, ...options.arguments });
  const jobId = answer.structuredContent.job_id;
  const chat = await openChat(chromium, server, options);
  await chat.show({ job_id: jobId }, answer);
  return { chat, jobId, frame: chat.frame, status: answer.structuredContent.status };
}

async function close(chat) {
  await chat.page.close();
  assert.deepEqual(chat.faults, []);
}

const texts = (locator) => locator.allInnerTexts();
const run = async (...given) => (await server.run(...given)).structuredContent.job_id;
const firstCells = (table) => texts(table.locator("tbody tr td:first-child"));

test("counts are bars that can be cut off and sorted", async () => {
  const { chat, frame } = await openResult("counts");
  const table = frame.getByRole("table", { name: "Counts of meas" });
  await table.waitFor();
  assert.deepEqual(await firstCells(table), ["0000", "1111", "0001", "0111", "1000", "1011", "0100"]);
  assert.ok((await table.innerText()).includes("47 %"));
  const bars = await table.locator(".bar i").evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().width));
  assert.ok(bars[0] > bars[1] && bars[1] > 10 * bars[2]);
  await screenshot(chat, "counts-light");

  const cutOff = frame.getByRole("slider", { name: "Hide outcomes below" }).first();
  await cutOff.focus();
  for (const _ of [1, 2, 3, 4, 5]) await chat.page.keyboard.press("ArrowRight");
  assert.equal(await cutOff.getAttribute("aria-valuetext"), "2 %");
  assert.deepEqual(await firstCells(table), ["0000", "1111", "0001", "0111"]);

  await table.getByRole("button", { name: "Outcome" }).press("Enter");
  assert.deepEqual(await firstCells(table), ["0000", "0001", "0111", "1111"]);
  assert.equal(await table.getByRole("columnheader", { name: "Outcome" }).getAttribute("aria-sort"), "ascending");
  const noise = frame.getByRole("table", { name: "Counts of noise" });
  assert.equal((await firstCells(noise)).length, 12);
  await frame.getByRole("button", { name: /Show all 2\d\d rows/ }).click();
  assert.ok((await firstCells(noise)).length > 200);
  await close(chat);
});

test("expectation values have error bars", async () => {
  const { chat, frame } = await openResult("expectations", { theme: "dark" });
  const table = frame.getByRole("table", { name: "Expectation values" });
  await table.waitFor();
  assert.deepEqual(await firstCells(table), ["ZZ", "XX", "YZ", "XI + 0.5 IX"]);
  assert.ok((await table.innerText()).includes("-0.42 ± 0.06"));
  assert.equal(await table.locator("svg .error").count(), 4);
  await screenshot(chat, "expectations-dark");
  await close(chat);
});

test("a sweep is a line for each observable, with its numbers beside it", async () => {
  const { chat, frame } = await openResult("sweep");
  const chart = frame.getByRole("img", { name: "Expectation values against θ" });
  await chart.waitFor();
  assert.equal(await chart.locator("polyline").count(), 2);
  assert.equal(await chart.locator(".series line").count(), 50);
  assert.deepEqual(await texts(frame.locator(".legend bdi")), ["ZZ", "XX"]);
  await frame.getByText("Numbers").click();
  const table = frame.getByRole("table", { name: "Expectation values" });
  assert.deepEqual(await texts(table.locator("thead bdi")), ["θ", "ZZ", "error of ZZ", "XX", "error of XX"]);
  await screenshot(chat, "sweep-light");
  await close(chat);
});

test("a circuit is drawn in the theme of the host, and drawn again when that changes", async () => {
  const { chat, frame, jobId } = await openResult("circuit", { theme: "dark" });
  const picture = frame.getByRole("img", { name: /circuit/i });
  await picture.waitFor();
  assert.ok((await picture.evaluate((image) => image.naturalWidth)) > 100);
  assert.ok((await frame.getByText("−1.8572").or(frame.getByText("-1.8572")).count()) > 0);
  await frame.getByRole("img", { name: "history, 40 values" }).waitFor();
  await frame.getByText("OpenQASM", { exact: true }).click();
  assert.ok((await frame.locator("pre", { hasText: "OPENQASM 3" }).innerText()).includes("cx q[0], q[1]"));
  await screenshot(chat, "circuit-dark");
  const before = await picture.getAttribute("src");
  await chat.setContext({ theme: "light" });
  await frame.locator(`img:not([src="${before}"])`).waitFor();
  await screenshot(chat, "circuit-light");
  const drawn = chat.calls.filter(([name]) => name === "get_job_result");
  assert.deepEqual(
    drawn.map(([, args]) => args),
    ["dark", "light"].map((theme) => ({ job_id: jobId, path: "/circuit", view: "plot", theme })),
  );
  await close(chat);
});

test("tables are copied and saved, and no cell of theirs runs in a spreadsheet", async () => {
  const { chat, frame } = await openResult("table");
  const table = frame.getByRole("table", { name: "Values of rows" });
  await table.waitFor();
  await screenshot(chat, "table-light");
  await table.getByRole("button", { name: "energy" }).click();
  const section = frame.locator("section", { has: table });
  await section.getByRole("button", { name: "Save as CSV" }).click();
  await section.getByText("Saved.").waitFor();
  const [file] = chat.downloads;
  assert.match(decodeURIComponent(file.uri), /^file:\/\/\/[\w-]+-rows\.csv$/);
  assert.equal(file.mimeType, "text/csv");
  assert.equal(file.text, "index,molecule,energy\r\n2,'=1+1,0\r\n0,H2,-1.137\r\n1,LiH,-7.88\r\n");
  await section.getByRole("button", { name: "Copy table" }).click();
  await section.getByText("Copied.").waitFor();
  await chat.page.evaluate(() => document.body.append(document.createElement("textarea")));
  await chat.page.locator("textarea").press("Control+V");
  assert.ok((await chat.page.locator("textarea").inputValue()).includes("0\tH2\t-1.137"));
  await close(chat);
});

test("a host that saves no files is not asked to", async () => {
  const { chat, frame } = await openResult("table", { can: { downloadFile: null } });
  await frame.getByRole("button", { name: "Copy table" }).first().waitFor();
  assert.equal(await frame.getByRole("button", { name: "Save as CSV" }).count(), 0);
  await close(chat);
});

test("a running job is followed, and stopped after a question", async () => {
  const started = await server.run("show", { what: "slow" }, 0);
  const jobId = started.structuredContent.job_id;
  const chat = await openChat(chromium, server);
  const { frame, page } = chat;
  await chat.show({ function: "show" });
  await frame.getByText("Starting show …").waitFor();
  await chat.show(null, started);
  const log = frame.getByRole("log", { name: "End of the log" });
  await log.getByText("step 1").first().waitFor();
  await frame.getByText("optimizing hardware").waitFor();
  assert.ok((await log.innerText()).includes('step 0 <img src=x onerror="alert(1)"><script>'));
  const status = frame.getByRole("status").first();
  assert.ok((await status.innerText()).includes("Running"));
  const elapsed = frame.getByRole("timer");
  const first = await elapsed.innerText();
  await frame.locator(`[role=timer]:not(:text-is("${first}"))`).waitFor();
  await screenshot(chat, "running-light");

  await frame.getByRole("button", { name: "Stop …" }).focus();
  await page.keyboard.press("Enter");
  const question = frame.getByRole("alertdialog", { name: /Stop this job\?/ });
  await question.waitFor();
  await screenshot(chat, "stop-question-light");
  // The harmless answer has the focus, and Escape is another way to it.
  assert.equal(await frame.locator(":focus").innerText(), "Keep it running");
  await page.keyboard.press("Escape");
  assert.equal(await frame.locator(":focus").innerText(), "Stop …");
  assert.ok(!chat.calls.some(([name]) => name === "stop_job"));
  await page.keyboard.press("Enter");
  await question.locator(":focus", { hasText: "Keep it running" }).waitFor();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await frame.getByText("Stopped").first().waitFor();
  await frame.locator("h2:focus", { hasText: "show" }).waitFor();
  assert.deepEqual(chat.calls.filter(([name]) => name === "stop_job"), [["stop_job", { job_id: jobId }]]);
  assert.equal(await frame.getByRole("button", { name: /Stop/ }).count(), 0);
  await close(chat);
});

test("a failure is its last line first, then where it happened", async () => {
  const { chat, frame, status } = await openResult("failure", { theme: "dark" });
  assert.equal(status, "ERROR");
  const failure = frame.getByRole("region", { name: "Why it failed" });
  await failure.waitFor();
  const lines = (await failure.innerText()).split("\n");
  assert.equal(lines[0], 'ValueError: the ansatz has no parameter <img src=x onerror="alert(1)"><script>alert(2)</script>');
  assert.ok(lines.some((line) => line.includes("in inner")));
  assert.ok((await failure.innerText()).includes("ZeroDivisionError"));
  assert.ok((await frame.getByRole("log").innerText()).includes("measured 3 of 10 circuits"));
  await screenshot(chat, "failure-dark");
  await close(chat);
});

test("texts of a function stay texts, and widen nothing", async () => {
  for (const width of [720, 320]) {
    const { chat, frame } = await openResult("hostile", { width });
    await frame.getByRole("table", { name: "Expectation values" }).waitFor();
    assert.equal(await frame.locator("img, main script").count(), 0);
    assert.ok((await frame.getByText('<img src=x onerror="alert(1)"><script>alert(2)</script>').count()) >= 3);
    const overflow = await frame.locator("html").evaluate((root) => root.scrollWidth - root.clientWidth);
    assert.equal(overflow, 0);
    await screenshot(chat, `hostile-${width}`);
    await close(chat);
  }
});

test("results of the session stand side by side, on one scale", async () => {
  const other = await run("show", { what: "skewed" });
  const { chat, frame, jobId } = await openResult("counts", { width: 900 });
  await frame.getByRole("button", { name: "Compare with another result …" }).click();
  await frame.getByRole("combobox", { name: "Result of" }).selectOption(other);
  await frame.getByRole("button", { name: "Show beside it" }).click();
  await frame.getByRole("article", { name: `Job ${other}` }).getByRole("table").first().waitFor();
  const filled = await frame.getByRole("table", { name: "Counts of meas" }).evaluateAll((tables) =>
    tables.map((table) => parseFloat(table.querySelector(".bar i").style.width)));
  assert.deepEqual(filled, [50, 100]); // 47 % beside 94 %
  const boxes = await Promise.all([jobId, other].map((id) => frame.getByRole("article", { name: `Job ${id}` }).boundingBox()));
  assert.equal(boxes[0].y, boxes[1].y);
  assert.ok(boxes[1].x >= boxes[0].x + boxes[0].width);
  await screenshot(chat, "compare-light");
  await frame.getByRole("button", { name: "Remove from comparison" }).click();
  assert.equal(await frame.getByRole("article").count(), 1);
  await close(chat);
});

test("what is narrow is still read", async () => {
  for (const what of ["counts", "sweep"]) {
    const { chat, frame } = await openResult(what, { width: 320, theme: "dark" });
    await frame.getByRole(what === "counts" ? "table" : "img").first().waitFor();
    const overflow = await frame.locator("html").evaluate((root) => root.scrollWidth - root.clientWidth);
    assert.equal(overflow, 0);
    await screenshot(chat, `narrow-${what}-dark`);
    await close(chat);
  }
});

test("a call that started no job says why", async () => {
  const chat = await openChat(chromium, server);
  const answer = await server.call("run_function", { function: "examples/none" });
  await chat.show({ function: "examples/none" }, answer);
  await chat.frame.getByText("No job was started.").waitFor();
  assert.ok((await chat.frame.locator("body").innerText()).includes("examples/none"));
  assert.deepEqual(chat.calls, []);
  await close(chat);
});

test("a job that saved nothing says so", async () => {
  const { chat, frame } = await openResult("nothing");
  await frame.getByText(/saved no|no result/).first().waitFor();
  await screenshot(chat, "nothing-light");
  await close(chat);
});

test("a host that calls no tools for the page still shows what the call answered", async () => {
  const jobId = await run("show", { what: "counts" });
  const answer = await server.call("get_job_result", { job_id: jobId });
  const chat = await openChat(chromium, server, { can: { serverTools: null } });
  await chat.show({ job_id: jobId }, answer);
  await chat.frame.getByRole("table", { name: "Counts of meas" }).waitFor();
  await chat.frame.getByText("This host shows only what the call answered.").waitFor();
  assert.deepEqual(chat.calls, []);
  await close(chat);
});

const running = (more = {}) => ({
  content: [],
  structuredContent: { job_id: "j", status: "RUNNING", elapsed_seconds: 1, can_stop: true, log: "", ...more },
});

test("a server that stops no jobs has no button for it", async () => {
  const chat = await openChat(chromium, server, { answers: { get_job_view: () => running({ can_stop: false }) } });
  await chat.show({ job_id: "j" });
  await chat.frame.getByText("Running").waitFor();
  assert.equal(await chat.frame.getByRole("button", { name: /Stop/ }).count(), 0);
  await close(chat);
});

test("a stop that fails is said to have, and can be tried again", async () => {
  const refused = { isError: true, content: [], structuredContent: { message: "the gateway refused" } };
  const answers = { get_job_view: () => running(), stop_job: () => refused };
  const chat = await openChat(chromium, server, { answers });
  await chat.show({ job_id: "j" });
  await chat.frame.getByRole("button", { name: "Stop …" }).click();
  await chat.frame.getByRole("button", { name: "Stop the job" }).click();
  await chat.frame.getByRole("alert").getByText("Not stopped: the gateway refused").waitFor();
  await chat.frame.getByRole("button", { name: "Stop …" }).waitFor();
  await close(chat);
});

test("the host's colors are used, and fonts that it would load are not", async () => {
  const chat = await openChat(chromium, server, { answers: { get_job_view: () => running() } });
  await chat.show({ job_id: "j" });
  await chat.setContext({
    styles: {
      variables: { "--color-background-primary": "rgb(1, 2, 3)", "--color-text-primary": "rgb(250, 251, 252)" },
      css: { fonts: '@import url("http://fonts.test/font.css");' },
    },
  });
  const colors = () => chat.frame.locator("body").evaluate((body) => {
    const { color, backgroundColor } = getComputedStyle(body);
    return [color, backgroundColor];
  });
  await chat.frame.locator('html[style*="rgb(1, 2, 3)"]').waitFor();
  assert.deepEqual(await colors(), ["rgb(250, 251, 252)", "rgb(1, 2, 3)"]);
  await close(chat);
});

// The page takes the time in which an answer is on its way for the answer's, so little may pass at once.
const STEP_SECONDS = 0.5;

test("a job is asked for less and less often, and in the end no more", async () => {
  const answers = { get_job_view: () => running() };
  const chat = await openChat(chromium, server, { answers, hasClock: true });
  const asked = () => chat.calls.filter(([name]) => name === "get_job_view").length;
  const pass = async (seconds) => {
    for (let passed = 0; passed < seconds; passed += STEP_SECONDS) {
      await chat.page.clock.runFor(1_000 * STEP_SECONDS);
      await chat.answered();
    }
  };
  await chat.show({ job_id: "j" });
  await chat.frame.getByText("Running").waitFor();
  await pass(10);
  const early = asked();
  await pass(120);
  const before = asked();
  await pass(100);
  const late = asked() - before;
  assert.ok(early >= 3 && late <= 11 && late >= 7, `${early} in the first 10 s, ${late} in 100 s later on`);
  await chat.page.clock.fastForward("03:00:00");
  await pass(20);
  await chat.frame.getByText("This page no longer follows the job.").waitFor();
  const all = asked();
  await pass(60);
  assert.equal(asked(), all);
  await chat.frame.getByRole("button", { name: "Follow it again" }).click();
  await pass(2);
  assert.ok(asked() > all);
  await close(chat);
});

test("nothing is asked after the host has put the page away", async () => {
  const answers = { get_job_view: () => running() };
  const chat = await openChat(chromium, server, { answers, hasClock: true });
  await chat.show({ job_id: "j" });
  await chat.frame.getByText("Running").waitFor();
  await chat.teardown();
  const asked = chat.calls.length;
  await chat.page.clock.runFor(60_000);
  assert.equal(chat.calls.length, asked);
  await close(chat);
});

test("a job that cannot be read is said to be, and given up after some tries", async () => {
  const failed = { isError: true, content: [], structuredContent: { message: "the gateway did not answer", next_step: "Wait." } };
  const chat = await openChat(chromium, server, { answers: { get_job_view: () => failed }, hasClock: true });
  await chat.show({ job_id: "j" }, running());
  await chat.frame.getByRole("alert").getByText("the gateway did not answer").waitFor();
  for (let at = 0; at < 60; at += 1) await chat.page.clock.runFor(1_000);
  await chat.frame.getByText("This page no longer follows the job.").waitFor();
  assert.equal(chat.calls.length, 5);
  await close(chat);
});

test("every view passes the checks of axe, in light and dark", async () => {
  const jobs = await Promise.all(["counts", "expectations", "sweep", "table", "failure"].map((what) => run("show", { what })));
  for (const theme of ["light", "dark"])
    for (const jobId of jobs) {
      const chat = await openChat(chromium, server, { theme });
      await chat.show({ job_id: jobId });
      await chat.frame.locator("section").first().waitFor();
      const frame = chat.page.frames().find((one) => one.url() === "http://frame.test/");
      await frame.evaluate(axeSource);
      // Whether a document in a frame needs a heading of the first level is for its host to say.
      const { violations } = await frame.evaluate(() =>
        window.axe.run({ rules: { "page-has-heading-one": { enabled: false } } }));
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), []);
      await close(chat);
    }
});
