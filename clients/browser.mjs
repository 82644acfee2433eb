// A browser on a line: reads commands from standard input, one JSON object per line, and answers each with one.
//
//   {"do": "open", "url", "dark"?, "width"?}   {"do": "run", "script"}        the value of an expression in the page
//   {"do": "until", "script"}                  {"do": "press", "key"}         {"do": "type", "text"}
//   {"do": "click", "selector"}                {"do": "submit"}                the key Enter, and the page after it
//   {"do": "axe"}       what axe-core finds    {"do": "screenshot", "file"}   {"do": "troubles"} what went wrong so far
import { createInterface } from "node:readline";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

// Waiting ends a test that fails, and never one on a slow machine: milliseconds.
const SOON = 60_000;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "wholecall-browser-"));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  userDataDir: folder,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
});
const page = (await browser.pages())[0] ?? (await browser.newPage());
await page.emulateTimezone(process.env.ZONE ?? "America/New_York");
// As if its window were in front: otherwise nothing in the page hears that it has the focus.
await (await page.createCDPSession()).send("Emulation.setFocusEmulationEnabled", { enabled: true });
const troubles = [];
page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
page.on("pageerror", (error) => troubles.push(String(error)));
await page.evaluateOnNewDocument(() => {
  addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  globalThis.longTasks = [];
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "longtask", buffered: true });
});

const commands = {
  async open({ url, dark = false, width = 1280, height = 800 }) {
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    const answer = await page.goto(url, { waitUntil: "load" });
    return answer.status();
  },
  run: ({ script }) => page.evaluate(script),
  async until({ script }) {
    await page.waitForFunction(script, { timeout: SOON, polling: 50 });
    return page.evaluate(script);
  },
  press: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text),
  async click({ selector }) {
    await Promise.all([page.waitForNavigation({ timeout: SOON }), page.click(selector)]);
  },
  async submit() {
    await Promise.all([page.waitForNavigation({ timeout: SOON }), page.keyboard.press("Enter")]);
  },
  async axe() {
    // Through the debugger: the page's own policy stays as it is.
    await page.evaluate(axe);
    const found = await page.evaluate("axe.run()");
    return found.violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map((node) => node.html).slice(0, 3) }));
  },
  async screenshot({ file, whole = false }) {
    await page.screenshot({ path: file, fullPage: whole });
  },
  troubles: () => troubles.splice(0),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...options } = JSON.parse(line);
  try {
    const value = (await commands[what](options)) ?? null;
    console.log(JSON.stringify({ value }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
rmSync(folder, { recursive: true, force: true });
