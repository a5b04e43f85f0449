// A list as a file is the list that is shown, for every program, and no spreadsheet computes with what somebody typed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { parse } from "csv-parse/sync";
import { strFromU8, unzipSync } from "fflate";
import { readSheet } from "read-excel-file/node";

import { HOSTILE } from "./company/books.js";
import { launch, open } from "./support/browser.js";
import { world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

let downloads = 0;

async function download(page, name) {
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("a.export", { hasText: new RegExp(name, "i") }).first().click(),
  ]);
  // The browser is another process's: its files are asked for, not opened.
  const path = join(world.folder, `download-${(downloads += 1)}`);
  await file.saveAs(path);
  return { name: file.suggestedFilename(), bytes: await readFile(path) };
}

/** Headings and rows as the page shows them. */
const shown = (page) =>
  page.evaluate(() => {
    const table = document.querySelector("main .list table");
    const text = (it) => it.textContent.replace(/\s+/g, " ").trim();
    // A file has room for the whole heading.
    const heads = [...table.querySelectorAll("thead th")].map((it) => it.querySelector("abbr")?.title ?? text(it));
    return { heads, rows: [...table.querySelectorAll("tbody tr")].map((row) => [...row.cells].map(text)) };
  });

const figure = (text) => text.replaceAll("−", "-").replace(/[^\d.-]/g, "");

for (const [path, lang] of [["/customers", "en"], ["/customers", "zh-Hans"], ["/receivables", "en"], ["/receivables/worklist", "en"], ["/devices", "en"], ["/team", "en"]]) {
  describe(`the exports of ${path} in ${lang}`, () => {
    test("hold what the page shows", async () => {
      const page = await open(browser, "supervisor", { lang });
      await page.goto(path);
      const { heads, rows } = await shown(page);
      assert.ok(rows.length > 0);
      const csv = await download(page, "csv");
      assert.match(csv.name, /\.csv$/);
      const [csvHeads, ...csvRows] = parse(csv.bytes, { bom: true });
      const xlsx = await download(page, "excel|xlsx");
      assert.match(xlsx.name, /\.xlsx$/);
      const [xlsxHeads, ...xlsxRows] = await readSheet(xlsx.bytes);

      for (const [name, fileHeads, fileRows] of [["CSV", csvHeads, csvRows], ["workbook", xlsxHeads, xlsxRows]]) {
        assert.equal(fileRows.length, rows.length, `rows of the ${name}`);
        const place = heads.map((head) => fileHeads.indexOf(head));
        assert.ok(place.filter((it) => it >= 0).length >= heads.length - 1, `${name}: ${fileHeads} for ${heads}`);
        for (const [index, row] of rows.entries()) {
          for (const [column, text] of row.entries()) {
            if (place[column] < 0) continue;
            const value = fileRows[index][place[column]];
            const said = value === null || value === undefined ? "" : String(value);
            const where = `${name}, row ${index + 1}, ${heads[column]}: ${said} for ${text}`;
            if (value instanceof Date) {
              assert.ok(text.includes(value.toISOString().slice(0, 4)), where);
            } else if (text === "–") {
              assert.equal(said, "", where);
            } else if (/^([A-Z]{3} )?[-−]?[\d,.]+( %)?$/.test(text)) {
              // A workbook holds a share as the fraction that a cell of per cents shows.
              const scale = text.endsWith(" %") && name === "workbook" ? 100 : 1;
              assert.ok(Math.abs(Number(figure(said)) * scale - Number(figure(text))) < 1e-9, where);
            } else {
              const same = said.replace(/^'/, "").replace(/\s+/g, " ").trim();
              assert.ok(same === text || text.split(" ").every((it) => same.includes(it.replace(/,$/, ""))), where);
            }
          }
        }
      }
      await page.context().close();
    });
  });
}

test("hold every row of a filtered list, and only those", async () => {
  const page = await open(browser, "supervisor");
  await page.goto("/customers?q=Hotel");
  const { rows } = await shown(page);
  assert.equal(rows.length, 1);
  const [, ...found] = parse((await download(page, "csv")).bytes, { bom: true });
  assert.equal(found.length, 1);
  assert.ok(found[0].some((it) => it.includes("Old Town Hotel")));
  await page.context().close();
});

test("nothing that somebody typed is a formula in a spreadsheet", async () => {
  const page = await open(browser, "south");
  await page.goto("/customers");
  const csv = await download(page, "csv");
  const cells = parse(csv.bytes, { bom: true }).flat();
  assert.ok(cells.includes(`'${HOSTILE.formulaName}`), "the name that begins like a formula begins with an apostrophe");
  assert.ok(cells.includes(HOSTILE.name), "markup is left as it is");
  assert.ok(cells.includes(HOSTILE.longName), "a long name is whole");
  for (const cell of cells) assert.doesNotMatch(cell, /^[=+@\t\r]|^-(?!\d)/, `${cell.slice(0, 40)} would be computed`);

  const xlsx = await download(page, "excel|xlsx");
  const values = (await readSheet(xlsx.bytes)).flat();
  assert.ok(values.includes(HOSTILE.formulaName), "in a workbook a text is a text");
  assert.ok(values.includes(HOSTILE.longName));
  const parts = unzipSync(new Uint8Array(xlsx.bytes));
  const sheets = Object.keys(parts).filter((it) => /worksheets\/.*\.xml$/.test(it));
  assert.ok(sheets.length > 0);
  for (const name of sheets) assert.doesNotMatch(strFromU8(parts[name]), /<f[ >]|<hyperlink/, "no formula, no link");
  assert.ok(!Object.keys(parts).some((it) => /vba|externalLink/i.test(it)));
  await page.context().close();
});

test("a stranger gets no file", async () => {
  const page = await open(browser);
  const answer = await page.request.get("/customers?format=csv", { maxRedirects: 0 });
  assert.ok([302, 303, 307, 401].includes(answer.status()), String(answer.status()));
  assert.doesNotMatch(await answer.text(), /Old Town/);
  assert.ok(world.url);
  await page.context().close();
});
