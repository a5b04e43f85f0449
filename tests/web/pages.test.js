// Every page that somebody can reach, in both languages: nothing fails, nothing is wider than the window, nothing is said in the
// wrong language, and nobody who uses the keyboard or a screen reader is left out. Leaves a picture of each page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { TYPED } from "./company/day.js";
import { judge, launch, open, textOf, tooWide, watch } from "./support/browser.js";
import { unspoken, untranslated } from "./support/words.js";
import { world } from "./support/world.js";

const LANGUAGES = ["en", "zh-Hans"];
const WIDTHS = [390, 820, 1280];

// Whoever adds a page adds it here, or the tests do not notice when no link leads to it any more.
const EXPECTED = JSON.parse(readFileSync(new URL("pages.json", import.meta.url), "utf8"));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** An address without what differs from record to record. */
function pattern(href, kind) {
  const path = new URL(href, world.url).pathname
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ":id")
    .replace(/\/(invoices|receipts)\/[^/]+/, "/$1/:number")
    .replace(/\d{4}-\d{2}-\d{2}/g, ":day");
  return path === "/records/:id" ? `${path} ${kind}` : path;
}

const NOT_PAGES = /^\/(language|static|sign-out)\b|^\/records\/[^/]+\/evidence\//;

/** So many pages of one pattern are read for the links on them: not every invoice was paid, not every day has photos. */
const SAMPLES = 12;

/** Follows the links that somebody sees, and tells one of each pattern. */
async function reach(role) {
  const page = await open(browser, role);
  const found = new Map([["/", "/"]]);
  const queue = ["/"];
  const known = new Set(queue);
  const samples = new Map();
  while (queue.length > 0) {
    // Read without drawing it: each page is drawn later on.
    const answer = await page.request.get(queue.shift());
    const links = await page.evaluate((html) => {
      const read = new DOMParser().parseFromString(html, "text/html");
      return [...read.querySelectorAll("a[href]:not([download])")].map((it) => ({
        href: it.getAttribute("href"),
        kind: it.querySelector(".kind")?.textContent.trim() ?? "",
      }));
    }, await answer.text());
    for (const { href, kind } of links) {
      if (!href.startsWith("/") || NOT_PAGES.test(href)) continue;
      // What a link without a word of its kind leads to is found elsewhere with it.
      if (/^\/records\/[0-9a-f-]+$/.test(href) && !kind) continue;
      const it = pattern(href, kind);
      if (!found.has(it)) found.set(it, href);
      const path = new URL(href, world.url).pathname;
      const count = samples.get(it) ?? 0;
      if (known.has(path) || count >= SAMPLES) continue;
      known.add(path);
      samples.set(it, count + 1);
      queue.push(href);
    }
  }
  await page.context().close();
  return found;
}

/** The pieces of text that a page shows, and its own words for what nobody sees. */
const piecesOf = (page) =>
  page.evaluate(() => {
    const pieces = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.nodeValue.trim();
      const language = walker.currentNode.parentElement.closest("[lang]").lang;
      if (text && language === document.documentElement.lang) pieces.push(text);
    }
    for (const it of document.querySelectorAll("[aria-label], [placeholder], [title], [data-label]")) {
      for (const name of ["aria-label", "placeholder", "title", "data-label"]) {
        if (it.getAttribute(name)?.trim()) pieces.push(it.getAttribute(name).trim());
      }
    }
    return [document.title, ...pieces];
  });

const pictureName = (it) => it.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "start";

describe("every page", async () => {
  const seen = new Map();
  for (const role of ["supervisor", "finance", "administrator"]) {
    test(`is found by following links as ${role}`, async () => {
      for (const [it, href] of await reach(role)) if (!seen.has(it)) seen.set(it, { role, href });
    });
  }

  test("is one that is meant to be found", () => {
    const missing = EXPECTED.filter((it) => !seen.has(it));
    assert.deepEqual(missing, [], "no link leads to these pages any more");
    const unknown = [...seen.keys()].filter((it) => !EXPECTED.includes(it));
    assert.deepEqual(unknown, [], "these pages are new: add them to pages.json");
  });

  for (const lang of LANGUAGES) {
    test(`is whole in ${lang}`, async (t) => {
      for (const role of ["supervisor", "finance", "administrator"]) {
        const page = await open(browser, role, { lang });
        const watched = await watch(page);
        for (const [name, { href, role: whose }] of seen) {
          if (whose !== role) continue;
          await t.test(`${name}`, async () => {
            await page.setViewportSize({ width: 1280, height: 900 });
            await page.goto(href, { waitUntil: "load" });
            const faults = [];
            if ((await page.getAttribute("html", "lang")) !== lang) faults.push("the page says it is in another language");
            // The lists with the most columns fit the window of an ordinary screen.
            const scrolled = await page.$$eval(".scroll:has(> .dense)", (all) => all.map((it) => it.scrollWidth - it.clientWidth));
            if (scrolled.some((it) => it > 0)) faults.push(`a list has to be scrolled sideways by ${scrolled} pixels`);
            if ((await page.locator("h1").count()) !== 1) faults.push("a page has one heading");
            faults.push(...unspoken(await textOf(page)).map((it) => `not in the catalogue: ${it}`));
            faults.push(...untranslated(lang, await piecesOf(page), TYPED).map((it) => `not translated: ${it}`));
            // The languages differ in words only, and this is the slowest part.
            if (lang === "en") faults.push(...(await judge(page)));
            await page.screenshot({ path: join(world.screenshots, `${pictureName(name)}.${lang}.png`), fullPage: true });
            for (const width of WIDTHS) {
              await page.setViewportSize({ width, height: 900 });
              faults.push(...(await tooWide(page)).map((it) => `too wide at ${width}: ${it}`));
              const bar = await page.locator(".top").boundingBox();
              if (bar.height > 100) faults.push(`the header is ${bar.height} pixels high at ${width}`);
              // Tables are frames that scroll here; on a phone they are cards.
              if (width === 820 && lang === "en") faults.push(...(await judge(page, ["scrollable-region-focusable"])));
              if (width === 390 && lang === "en") {
                await page.screenshot({ path: join(world.screenshots, `${pictureName(name)}.phone.png`), fullPage: true });
              }
            }
            if (lang === "en") {
              await page.emulateMedia({ colorScheme: "dark" });
              faults.push(...(await judge(page, ["color-contrast"])).map((it) => `in the dark: ${it}`));
              await page.emulateMedia({ colorScheme: null });
            }
            assert.deepEqual(faults, []);
            watched.none("what the browser reported");
          });
        }
        await page.context().close();
      }
    });
  }
});
