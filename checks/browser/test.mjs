// Loads the report and the Explorer in headless Chromium, and does with them what a reader does.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const root = path.resolve(import.meta.dirname, "../..");
const check = process.env.CHECK ?? path.join(root, "target/release/check");
const out = path.join(root, "target/browser");
mkdirSync(out, { recursive: true });

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});

/// A page on which every error, and every request to anywhere but `allowed`, is kept.
async function open(address, allowed) {
  const page = await browser.newPage();
  page.problems = [];
  page.on("console", (message) => {
    // The Explorer has no icon, and every browser asks for one.
    const icon = message.location().url?.endsWith("/favicon.ico");
    if (message.type() === "error" && !icon) page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("request", (request) => {
    if (!allowed.some((start) => request.url().startsWith(start))) {
      page.problems.push("request to " + request.url());
    }
  });
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(address, { waitUntil: "load" });
  return page;
}

const shot = (page, name, fullPage = true) =>
  page.screenshot({ path: path.join(out, name + ".png"), fullPage });

async function report() {
  const file = process.env.REPORT ?? path.join(out, "report.html");
  if (!process.env.REPORT) {
    execFileSync(check, ["run", "figure-8", "--report", file], { stdio: ["ignore", "ignore", "inherit"] });
  }
  const page = await open(pathToFileURL(file).href, ["file:", "data:"]);
  const id = await page.$eval(".trace", (trace) => trace.id);
  await page.evaluate((id) => { location.hash = id; }, id);
  const trace = `[id="${id}"] `;
  await page.waitForSelector(trace + "details[open]");
  const where = () => page.$eval(trace + ".where", (output) => output.textContent);
  const steps = await page.$$eval(trace + "rect.row", (rows) => rows.length);
  assert.ok(steps >= 2, "the trace has steps");

  await page.keyboard.press("Home");
  assert.equal(await where(), `before step 1 of ${steps}`);
  assert.equal(await page.$$eval(trace + ".row.at", (rows) => rows.length), 0);
  await page.keyboard.press("ArrowRight");
  assert.equal(await where(), `step 1 of ${steps}`);
  assert.equal(await page.$eval(trace + ".row.at", (row) => row.dataset.step), "1");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  assert.equal(await where(), `step 1 of ${steps}`);
  await page.click(trace + '[data-go="on"]');
  assert.equal(await where(), `step 2 of ${steps}`);
  await page.click(trace + '[data-go="back"]');
  assert.equal(await where(), `step 1 of ${steps}`);
  await page.keyboard.press("End");
  assert.equal(await where(), `step ${steps} of ${steps}`);
  assert.ok(await page.$eval(trace + '[data-go="on"]', (button) => button.disabled));
  await page.$eval(trace + 'rect.row[data-step="2"]', (row) =>
    row.dispatchEvent(new MouseEvent("click", { bubbles: true })));
  assert.equal(await where(), `step 2 of ${steps}`);

  // Walking back and forth shows the same servers, and somewhere something is new.
  const servers = () => page.$eval(trace + ".servers", (servers) => servers.textContent);
  const seen = [];
  let changes = 0;
  await page.keyboard.press("Home");
  for (let step = 0; step <= steps; step++) {
    seen.push(await servers());
    changes += await page.$$eval(trace + "dd.new", (values) => values.length);
    await page.keyboard.press("ArrowRight");
  }
  assert.ok(changes > 0, "a step changes something");
  for (let step = steps; step >= 0; step--) {
    assert.equal(await servers(), seen[step], `the servers at step ${step}`);
    await page.keyboard.press("ArrowLeft");
  }
  await page.keyboard.press("End");
  await shot(page, "report-desktop");

  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await shot(page, "report-dark");
  await page.emulateMediaFeatures([]);
  await page.setViewport({ width: 390, height: 844, isMobile: true, hasTouch: true });
  const [width, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width <= screen, `${width} pixels wide on a screen of ${screen}`);
  await shot(page, "report-phone");
  await page.setViewport({ width: 1280, height: 900 });
  await page.pdf({ path: path.join(out, "report.pdf"), format: "A4" });
  await page.emulateMediaType("print");
  await page.setViewport({ width: 760, height: 1000 });
  await shot(page, "report-print");
  assert.deepEqual(page.problems, []);
  await page.close();
}

async function explorer() {
  const port = 20000 + (process.pid % 20000);
  const address = `127.0.0.1:${port}`;
  const server = spawn(check, ["explore", "election", "--address", address], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    await new Promise((ready) => server.stderr.once("data", ready));
    await listening(port);
    const busy = refused(["explore", "election", "--address", address]);
    assert.match(busy, /^check explore: cannot listen at .*\n$/, "a busy port is one line");
    const page = await open(`http://${address}/`, [`http://${address}/`]);
    const choices = "a[href^='#/steps/']";
    await page.waitForSelector(choices);
    await page.evaluate(() => { location.hash = "#/steps/0/0/0"; });
    await page.waitForFunction(() => document.querySelector("svg.diagram .said"));
    const text = await page.$eval("body", (body) => body.innerText);
    assert.match(text, /election timer fires/);
    assert.match(text, /S\d is now|\+ S\d: term 1|S\d: term 1/);
    assert.doesNotMatch(text, /lanes|Interned|ClusterState \{/, "no derived dump");
    await shot(page, "explorer", false);
    assert.deepEqual(page.problems, []);
    await page.close();
  } finally {
    server.kill();
  }
  const bad = refused(["explore", "election", "--address", "nowhere"]);
  assert.match(bad, /^check explore: cannot listen at "nowhere": .*\n$/, "a bad address is one line");
}

/// What `check` says on its way out with status 2.
function refused(args) {
  try {
    execFileSync(check, args, { stdio: ["ignore", "ignore", "pipe"], timeout: 20000 });
  } catch (error) {
    assert.equal(error.status, 2, `${args.join(" ")}: ${error}`);
    return String(error.stderr);
  }
  assert.fail(`${args.join(" ")} did not fail`);
}

async function listening(port) {
  for (let tries = 0; tries < 100; tries++) {
    const open = await new Promise((done) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.once("connect", () => { socket.destroy(); done(true); });
      socket.once("error", () => done(false));
    });
    if (open) return;
    await new Promise((later) => setTimeout(later, 100));
  }
  assert.fail(`nothing listens at port ${port}`);
}

let passed = 0, failed = 0;
for (const test of [report, explorer]) {
  try {
    await test();
    console.log(`${test.name}: ok`);
    passed += 1;
  } catch (error) {
    console.error(`${test.name}: ${error.stack}`);
    failed += 1;
  }
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
