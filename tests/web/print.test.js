// What goes on paper: all that is said, nothing that is clicked, nothing cut off.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { day } from "./company/books.js";
import { launch, open, tooWide } from "./support/browser.js";
import { server, world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

// A sheet of A4 between its margins.
const SHEET = { width: 688, height: 1000 };

async function papers() {
  const made = await server.operate("statement", "link", world.statements["C-101"], "--contact", "王芳", "--as", "fang");
  const page = await open(browser, "supervisor");
  await page.goto("/team");
  const rep = await page.$$eval("main a[href^='/team/']", (links) => links.map((it) => it.getAttribute("href")).find((it) => /^\/team\/[0-9a-f-]{36}/.test(it)));
  await page.goto("/customers?q=C-104");
  const customer = await page.getAttribute("main td a[href^='/customers/']", "href");
  await page.goto(customer);
  const statementOfToday = await page.getAttribute("#statement-today", "href");
  await page.context().close();
  const id = rep.split("?")[0].split("/")[2];
  return {
    statement: [undefined, /http:\S+\/s\/\S+/.exec(made)[0]],
    "the office's statement": ["supervisor", `/receivables/statements/${world.statements["C-104"]}`],
    "a statement of today": ["supervisor", statementOfToday],
    delivery: ["supervisor", `/records/${world.delivery}`],
    day: ["supervisor", `/team/${id}/${day()}`],
    "day on the map": ["supervisor", `/activity/day/${id}/${day()}`],
    receivables: ["finance", "/receivables"],
  };
}

describe("on paper", () => {
  let all;
  before(async () => {
    all = await papers();
  });

  for (const lang of ["en", "zh-Hans"]) {
    for (const name of ["statement", "the office's statement", "a statement of today", "delivery", "day", "day on the map", "receivables"]) {
      test(`${name} in ${lang}`, async () => {
        const [role, path] = all[name];
        const page = await open(browser, role, { lang, ...SHEET });
        assert.equal((await page.goto(path)).status(), 200);
        await page.emulateMedia({ media: "print" });
        const seen = await page.$$eval("nav, button, input, select, textarea, .filters, .languages", (found) =>
          found.filter((it) => it.getClientRects().length > 0 && it.checkVisibility()).map((it) => `${it.tagName}.${it.className}#${it.id}`),
        );
        assert.deepEqual(seen, [], "what is clicked has no place on paper");
        assert.deepEqual(await tooWide(page), []);
        const cut = await page.evaluate(() =>
          [...document.querySelectorAll("main *")]
            .filter((it) => {
              if (!it.textContent.trim() || it.getClientRects().length === 0 || it.closest("svg, .skip")) return false;
              const { overflowX, overflowY } = getComputedStyle(it);
              return (overflowX !== "visible" && it.scrollWidth > it.clientWidth + 1) || (overflowY !== "visible" && it.scrollHeight > it.clientHeight + 1);
            })
            .map((it) => `${it.tagName}.${it.className}: ${it.textContent.trim().slice(0, 60)}`),
        );
        assert.deepEqual(cut, [], "text that would be cut off");
        assert.ok((await page.innerText("main")).length > 100);
        if (role) assert.ok((await page.innerText(".top")).includes("海港食品贸易"), "whose paper it is stands on it");
        if (name === "the office's statement") assert.match(await page.innerText("main"), /104-002[^]*CNY 10,420\.00/);
        const file = await page.pdf({ format: "A4", path: join(world.screenshots, `paper-${name.replaceAll(/\W+/g, "-")}.${lang}.pdf`) });
        assert.ok(file.length > 5_000);
        await page.context().close();
      });
    }
  }
});
