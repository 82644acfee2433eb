// How much the pages cost: 2,000 live calls, 200 of them change each second, ten people look at the live page, one of
// them in a real browser.
//
//   node clients/viewers.mjs target/release/wholecall [seconds]
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const [program, seconds = "30"] = process.argv.slice(2);
const [CALLS, UPDATES, VIEWERS] = [2000, 200, 10];
const folder = mkdtempSync(join(tmpdir(), "wholecall-viewers-"));
const service = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--data", folder], { stdio: ["ignore", "pipe", "inherit"] });
const base = await new Promise((found) => service.stdout.on("data", (text) => {
  const address = String(text).match(/http:\/\/[0-9.:]+/);
  if (address) found(address[0]);
}));
const acme = JSON.parse(execFileSync(program, ["tenant", "add", "acme", "--account", "400131426008", "--data", folder, "--json"]));

// A call that is answered, with ids of its own; then its agent holds it, takes it back, and so on.
const example = readFileSync(new URL("../examples/direct.ndjson", import.meta.url), "utf8").trim().split("\n").slice(0, 5);
const sequences = new Array(CALLS).fill(6);
const notification = (line, call, change = () => {}) => {
  const told = JSON.parse(line.replaceAll("-a0d7", `-b${String(call).padStart(7, "0")}`));
  told.uuid = `${told.uuid}${call}`;
  told.timestamp = told.body.eventTime = new Date().toISOString();
  change(told);
  return JSON.stringify(told);
};
const update = (call) => notification(example[4], call, (told) => {
  told.body.sequence = ++sequences[call];
  told.uuid += `-${sequences[call]}`;
  told.body.parties[0].status.code = sequences[call] % 2 ? "Hold" : "Answered";
});
const headers = { Authorization: `Bearer ${acme.apiKey}` };
const post = async (lines) => {
  const answer = await fetch(`${base}/v1/notifications`, { method: "POST", headers, body: lines.join("\n") });
  if (!answer.ok) throw new Error(await answer.text());
};
for (let call = 0; call < CALLS; call += 100) {
  await post([...Array(100).keys()].flatMap((more) => example.map((line) => notification(line, call + more))));
}

// CPU seconds the service has used, from /proc: user and system, in ticks of 10 ms.
const used = () => {
  const fields = readFileSync(`/proc/${service.pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const load = async () => {
  const [began, cpu] = [performance.now(), used()];
  const end = began + Number(seconds) * 1000;
  let sent = 0;
  while (performance.now() < end) {
    const due = Math.floor(((performance.now() - began) / 1000) * UPDATES) - sent;
    if (due > 0) await post([...Array(due).keys()].map(() => update((sent++ * 7) % CALLS)));
    await sleep(20);
  }
  const spent = (performance.now() - began) / 1000;
  return { cores: (used() - cpu) / spent, updates: sent / spent };
};

const alone = await load();

const form = new URLSearchParams({ key: acme.apiKey });
const signedIn = await fetch(`${base}/sign-in`, { method: "POST", body: form, redirect: "manual" });
const cookie = signedIn.headers.get("set-cookie").split(";")[0];
let [bytes, messages] = [0, 0];
const follow = async () => {
  const answer = await fetch(`${base}/live/rows`, { headers: { cookie } });
  for await (const part of answer.body) [bytes, messages] = [bytes + part.length, messages + 1];
};
for (let viewer = 1; viewer < VIEWERS; viewer++) {
  follow().catch(() => {});
  setInterval(() => fetch(`${base}/live/today`, { headers: { cookie } }).then((answer) => answer.text()).catch(() => {}), 2000);
}
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  userDataDir: join(folder, "browser"),
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
});
const page = await browser.newPage();
await page.setCookie({ name: cookie.split("=")[0], value: cookie.split("=")[1], url: base });
await page.evaluateOnNewDocument(() => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "longtask", buffered: true });
});
await page.goto(base);
const usable = await page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
await page.waitForFunction(`document.querySelector("#connection").textContent.startsWith("${CALLS} ")`);
const watched = await load();
const tasks = await page.evaluate("longTasks");
const held = await page.evaluate("document.querySelectorAll('#rows .s-on-hold').length");

console.log(`live calls ${CALLS}, updates per second ${watched.updates.toFixed(0)}, viewers ${VIEWERS}, ${seconds} s each`);
console.log(`service without viewers: ${(alone.cores * 100).toFixed(1)} % of a core`);
console.log(`service with viewers:    ${(watched.cores * 100).toFixed(1)} % of a core; the pages' share: ${((watched.cores - alone.cores) * 100).toFixed(1)} %`);
console.log(`each viewer: ${(bytes / (VIEWERS - 1) / seconds / 1000).toFixed(0)} KB/s`);
console.log(`browser: usable after ${usable.toFixed(0)} ms; long tasks: ${tasks.length}, the longest ${Math.max(0, ...tasks).toFixed(0)} ms; ${held} of the shown rows on hold`);
await browser.close();
service.kill();
rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
process.exit(0);
