// Names and notes that are markup, formulas, right-to-left or ten thousand characters long are shown as what they are.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { HOSTILE } from "./company/books.js";
import { launch, open, textOf, tooWide, watch } from "./support/browser.js";
import { server, world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

// Blanks and marks of direction are not seen.
const bare = (text) => text.replace(/[\s\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, " ").trim();

// Forms in which somebody writes; no others are sent.
const FIELDS = "textarea, input:not([type]), input[type=text]";
const WRITTEN = `main form[method=post]:has(${FIELDS})`;

async function harmless(page, watched, what) {
  assert.equal(await page.evaluate(() => window.hacked), undefined, `${what}: something was executed`);
  const alive = await page.$$eval("main img[src='x'], main svg[onload], main script, main marquee, [onerror], [onmouseover], [onload]", (all) => all.length);
  assert.equal(alive, 0, `${what}: markup that somebody typed has become part of the page`);
  // A text that turns its direction round must not turn what stands beside it.
  const loose = await page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const { nodeValue, parentElement } = walker.currentNode;
      if (/[\u202a-\u202e\u0590-\u08ff]/.test(nodeValue) && !parentElement.closest("bdi, option, textarea, [dir=auto]")) {
        found.push(`${parentElement.tagName}.${parentElement.className}: ${nodeValue.trim().slice(0, 60)}`);
      }
    }
    return found;
  });
  assert.deepEqual(loose, [], `${what}: foreign text stands without isolation`);
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await tooWide(page), [], `${what} at ${width}`);
  }
  watched.none(what);
}

describe("hostile text", () => {
  test("on every page that shows it stays text", async (t) => {
    const page = await open(browser, "south");
    const watched = await watch(page);
    await page.goto("/customers");
    const customers = await page.$$eval("main a[href^='/customers/']", (links) => links.map((it) => it.getAttribute("href")));
    assert.equal(new Set(customers).size, 3);
    const pages = [
      ["/", []],
      ["/activity", [HOSTILE.name, HOSTILE.formulaName]],
      ["/activity/photos", []],
      ["/customers", [HOSTILE.name, HOSTILE.formulaName, HOSTILE.contact]],
      ...[...new Set(customers)].map((it) => [it, []]),
      [`/records/${world.hostileVisit}`, [HOSTILE.name, HOSTILE.note]],
      [`/records/${world.longVisit}`, []],
      [`/records/${world.hostileDelivery}`, [HOSTILE.note, HOSTILE.contact, "@SUM(A1)<i>"]],
      [`/records/${world.hostileDelivery}/links`, ["@SUM(A1)<i>"]],
      ["/credit", [HOSTILE.name, "+HELD"]],
      ["/credit/warnings", []],
      ["/credit/allowances", []],
      ["/receivables", [HOSTILE.name]],
      ["/receivables/worklist", []],
      ["/receivables/reminders", []],
      ["/receivables/statements", [HOSTILE.name]],
      ["/receivables/timers", []],
      ["/team", [`Zhao "><script>window.hacked=1</script>`]],
      ["/team/move", [HOSTILE.name]],
      ["/devices", []],
    ];
    for (const [path, texts] of pages) {
      await t.test(path, async () => {
        const answer = await page.goto(path);
        assert.equal(answer.status(), 200);
        const seen = bare(await textOf(page));
        for (const text of texts) assert.ok(seen.includes(bare(text)), `${text.slice(0, 60)} is not shown as it is`);
        await harmless(page, watched, path);
        const heading = await page.locator("h1").boundingBox();
        assert.ok(heading.height < 200, `a heading of ${heading.height} pixels pushes the page away`);
        const heads = await page.$$eval("dl.head", (all) => all.map((it) => it.getBoundingClientRect().height));
        assert.ok(heads.every((it) => it < 250), `what stands below the heading is ${heads} pixels high`);
      });
    }
    await page.goto(`/records/${world.longVisit}`);
    await page.screenshot({ path: join(world.screenshots, "hostile-record.png") });
    await page.goto("/customers");
    const tallest = await page.$$eval("main tbody tr", (rows) => Math.max(...rows.map((it) => it.getBoundingClientRect().height)));
    assert.ok(tallest < 400, `a row of ${tallest} pixels: a name of ten thousand characters pushes the rest away`);
    await page.screenshot({ path: join(world.screenshots, "hostile-customers.png"), fullPage: true });
    await page.context().close();
  });

  test("typed into fields and addresses stays text", async () => {
    const page = await open(browser, "south");
    const watched = await watch(page, { statuses: [400, 404, 422] });
    for (const text of [HOSTILE.name, HOSTILE.contact, `'">${HOSTILE.note}`]) {
      for (const path of ["/activity?q=", "/activity?customer=", "/customers?q=", "/team/move?q=", "/activity?from=", "/customers/", "/records/"]) {
        await page.goto(path + encodeURIComponent(text));
        await harmless(page, watched, path);
      }
    }
    await page.goto(`/records/${world.hostileVisit}`);
    await page.locator("#review input[value=questioned]").check();
    await page.fill("#review textarea[name=comment]", HOSTILE.name);
    await page.click("#review button.main");
    await page.locator(".threads blockquote").first().waitFor();
    assert.ok(bare(await page.innerText(".threads")).includes(bare(HOSTILE.name)));
    await harmless(page, watched, "a review");
    await page.context().close();
  });

  test("typed into the forms of finance, of the team and of people stays text", async (t) => {
    const south = await open(browser, "south");
    const linksOf = async (page, path, start) => {
      await page.goto(path);
      const all = await page.$$eval(`main a[href^='${start}']`, (links) => links.map((it) => new URL(it.href).pathname));
      return [...new Set(all)].filter((it) => /[0-9a-f]{8}-[0-9a-f-]{27}$/.test(it));
    };
    const [customer] = await linksOf(south, "/customers?q=C-901", "/customers/");
    await south.goto(`${customer}/money`);
    const invoice = await south.getAttribute(`main a[href^='${customer}/invoices/']`, "href");
    const [rep] = await linksOf(south, "/team", "/team/");
    await south.context().close();
    const forms = {
      finance: [customer, `${customer}/money`, invoice, "/receivables/unmatched"],
      administrator: ["/people/new", "/team/territories", rep, rep.replace("/team/", "/people/")],
    };
    for (const [role, paths] of Object.entries(forms)) {
      const page = await open(browser, role);
      const watched = await watch(page, { statuses: [400, 404, 409, 422] });
      for (const path of paths) {
        await t.test(`${path.replace(/[0-9a-f-]{36}/, ":id")} as ${role}`, async () => {
          await page.goto(path);
          const count = await page.locator(WRITTEN).count();
          assert.ok(count > 0, "there is nothing to fill in");
          for (let index = 0; index < count; index += 1) {
            await page.goto(path);
            await page.setViewportSize({ width: 1280, height: 900 });
            await Promise.all([
              page.waitForNavigation(),
              page.evaluate(
                ([index, text, forms, fields]) => {
                  const form = document.querySelectorAll(forms)[index];
                  form.noValidate = true;
                  for (const it of form.querySelectorAll(fields)) it.value = text;
                  form.requestSubmit(form.querySelector("button"));
                },
                // Longer than anything that is taken, so that nothing of it is done.
                [index, `'">${HOSTILE.name} ${HOSTILE.note} ${"W".repeat(21_000)}`, WRITTEN, FIELDS],
              ),
            ]);
            await harmless(page, watched, `form ${index} of ${path}`);
          }
        });
      }
      await page.context().close();
    }
  });

  test("on the page of the customer's contact stays text", async () => {
    const made = await server.operate("statement", "link", world.statements[HOSTILE.customer], "--contact", HOSTILE.contact, "--as", "fang");
    const page = await open(browser, undefined, { width: 390 });
    const watched = await watch(page);
    await page.goto(/http:\S+\/s\/\S+/.exec(made)[0]);
    assert.ok(bare(await textOf(page)).includes(bare(HOSTILE.name)));
    assert.equal(await page.inputValue("#person"), HOSTILE.contact);
    await harmless(page, watched, "the statement");
    await page.context().close();
  });
});
