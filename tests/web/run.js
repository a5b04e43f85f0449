// Makes the company, starts the server, plays the day, runs the tests, and stops what it started. Called by test.sh.
//
//   node run.js [FILE…]      only these test files

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { READERS, writeBooks } from "./company/books.js";
import { playDay } from "./company/day.js";
import { BINARY, Server } from "./support/program.js";

const here = dirname(fileURLToPath(import.meta.url));
const PASSWORD = "correct-horse-battery";
// The pages as they are after the day come first: other tests change them.
const FIRST = ["pages.test.js", "print.test.js"];

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

if (!BINARY) {
  console.error("FIELDLEDGER_BIN is the path of the binary fieldledger");
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), "fieldledger-web-"));
const server = new Server(join(folder, "data"));
let browser;
let failed = 1;
let passed = 0;
let tests;
const stop = async () => {
  tests?.kill("SIGTERM");
  await browser?.close();
  await server.stop();
  if (!process.env.KEEP) await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
};
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop().then(() => process.exit(1)));

try {
  await mkdir(join(folder, "books"));
  await writeBooks(join(folder, "books"));
  await server.operate("import", "--all-or-nothing", "--mapping", join(here, "company/mapping.toml"), join(folder, "books"));
  for (const login of [...Object.values(READERS), "xu", "lina"]) await server.setPassword(login, PASSWORD);
  const url = await server.start();
  console.log(`playing the day at ${url}`);
  const day = await playDay(server, folder);
  browser = await chromium.launchServer({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, host: "127.0.0.1", timeout: 180_000,
  });
  const screenshots = process.env.SCREENSHOTS ?? join(here, "../../target/screenshots");
  await mkdir(screenshots, { recursive: true });
  const world = { url, browser: browser.wsEndpoint(), folder, data: server.data, password: PASSWORD, readers: READERS, screenshots, ...day };
  await writeFile(join(folder, "world.json"), JSON.stringify(world));

  if (process.env.PICTURES) {
    process.env.FIELDLEDGER_WORLD = join(folder, "world.json");
    const { takePictures } = await import("./support/pictures.js");
    await takePictures(process.env.PICTURES);
  }
  let files = process.argv.slice(2);
  if (files.length === 0) {
    const found = (await readdir(here)).filter((name) => name.endsWith(".test.js")).sort();
    files = [...FIRST.filter((it) => found.includes(it)), ...found.filter((it) => !FIRST.includes(it))];
  }
  failed = 0;
  const left = [];
  // One after the other, each by itself: Node.js would sort them.
  for (const file of files) {
    const tap = join(folder, "tests.tap");
    tests = spawn(
      process.execPath,
      ["--test", "--test-concurrency=1", "--test-reporter=spec", "--test-reporter-destination=stdout",
        "--test-reporter=tap", `--test-reporter-destination=${tap}`, file],
      { cwd: here, stdio: "inherit", env: { ...process.env, FIELDLEDGER_WORLD: join(folder, "world.json") } },
    );
    const [code] = await once(tests, "exit");
    const summary = await readFile(tap, "utf8").catch(() => "");
    const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(summary)?.[1] ?? 0);
    const bad = count("fail") + count("cancelled");
    passed += count("pass");
    failed += code !== 0 || count("pass") === 0 ? Math.max(bad, 1) : bad;
    if (count("skipped") + count("todo") > 0) left.push(`${file}: ${count("skipped") + count("todo")} left out`);
    await rm(tap, { force: true });
  }
  for (const line of left) console.log(line);
  if (passed === 0) failed = Math.max(failed, 1);
} catch (error) {
  failed = Math.max(failed, 1);
  console.error(error);
  if (server.log) console.error(server.log);
} finally {
  tests = undefined;
  await stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
