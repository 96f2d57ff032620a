// The page in real Chromium: what a person can read and press, in each of its views.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { functionSource, openChat, screenshot, startBrowser, startServer } from "./chat.js";

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
  assert.ok((await table.innerText()).includes("± 0.06"));
  assert.equal(await table.locator("svg .error").count(), 4);
  await screenshot(chat, "expectations-dark");
  await close(chat);
});
