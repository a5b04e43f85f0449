// A real browser, and what it must not report about a page.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";

import axe from "axe-core";
import { chromium } from "playwright-core";

import { world } from "./world.js";

// How long something may take until it has not happened. The tests wait for what happens, so this is for broken pages only,
// and long enough for a busy machine.
const PATIENCE = 120_000;

export const LANGUAGES = { en: "en-GB", "zh-Hans": "zh-CN" };

/** The browser that run.js started. Closing it here only ends the connection. */
export const launch = () => chromium.connect(world.browser, { timeout: 120_000 });

const kept = (role) => join(world.folder, `session-${role}.json`);

/** A window of somebody who is signed in as `role` (none: a stranger), in a language. */
export async function open(browser, role, { lang = "en", width = 1280, height = 900, ...more } = {}) {
  const known = role && existsSync(kept(role));
  const context = await browser.newContext({
    baseURL: world.url,
    locale: LANGUAGES[lang],
    viewport: { width, height },
    storageState: known ? kept(role) : undefined,
    acceptDownloads: true,
    ...more,
  });
  context.setDefaultTimeout(PATIENCE);
  context.setDefaultNavigationTimeout(PATIENCE);
  const page = await context.newPage();
  if (role && !known) {
    await signIn(page, world.readers[role]);
    await context.storageState({ path: kept(role) });
  }
  return page;
}

export async function signIn(page, login, password = world.password, next = "/") {
  await page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
  await page.fill("#login", login);
  await page.fill("#password", password);
  await Promise.all([page.waitForURL((url) => url.pathname !== "/sign-in"), page.click("form[action='/sign-in'] button")]);
}

/** Begins to write down everything a page does that it must not do. */
export async function watch(page, { statuses = [] } = {}) {
  const problems = [];
  const origin = new URL(world.url).origin;
  await page.exposeFunction("reportViolation", (text) => problems.push(`content security policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  page.on("console", (message) => {
    // A page that answers with an expected status is told here once more.
    if (message.text().startsWith("Failed to load resource") && statuses.some((it) => message.text().includes(` ${it} `))) return;
    if (["error", "warning", "assert"].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`script: ${error}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin) problems.push(`request to another host: ${request.url()}`);
  });
  page.on("requestfailed", (request) => {
    // Leaving a page ends its live connection, a reading under way, and the loading of the icon, which nothing waits for.
    const ends = ["eventsource", "fetch"].includes(request.resourceType()) || /\/static\/icon-[0-9a-f]+\.svg$/.test(request.url());
    const left = request.failure()?.errorText === "net::ERR_ABORTED" && ends;
    if (!left) problems.push(`failed request: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400 && !statuses.includes(response.status())) {
      problems.push(`answer ${response.status()}: ${response.url()}`);
    }
  });
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return {
    problems,
    /** Fails when something was written down since the last time. */
    none(what) {
      const found = problems.splice(0);
      assert.deepEqual(found, [], what);
    },
  };
}

/** The elements that make the page wider than the window. Nothing on it may need scrolling sideways but tables in their frame. */
export function tooWide(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
    const framed = (element) => element.parentElement?.closest(".scroll, .prose, .value") !== null;
    const wide = [...document.querySelectorAll("body *")].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.right > width + 1 && !framed(element);
    });
    const named = wide.map((it) => `${it.tagName.toLowerCase()}.${it.className}#${it.id} ${Math.round(it.getBoundingClientRect().right)}`);
    return named.length > 0 ? named.slice(0, 8) : [`the page itself: ${document.documentElement.scrollWidth} > ${width}`];
  });
}

/** What is seriously wrong for those who use the keyboard or a screen reader; only by these rules, if there are some. */
export async function judge(page, only) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(async (rules) => {
    const options = rules ? { runOnly: { type: "rule", values: rules } } : {};
    return await window.axe.run(document, { resultTypes: ["violations"], ...options });
  }, only);
  return violations
    .filter((it) => ["serious", "critical"].includes(it.impact))
    .map((it) => `${it.id} (${it.impact}): ${it.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
}

/** What can be seen of the page as text. */
export const textOf = (page) => page.evaluate(() => document.body.innerText);
