// A customer's contact has a link and a phone, no account: reads, confirms one line, disputes another.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { judge, launch, open, textOf, tooWide, watch } from "./support/browser.js";
import { unspoken } from "./support/words.js";
import { phoneOf, server, world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const SMALL = { width: 390, height: 844, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const REMARK = "少了两箱 <b>two</b> boxes";

/** A picture, and what a page for strangers must keep to. */
async function decent(page, watched, name, lang) {
  assert.equal(await page.getAttribute("html", "lang"), lang);
  assert.deepEqual(await tooWide(page), []);
  assert.deepEqual(unspoken(await textOf(page)), []);
  assert.equal(await page.locator(".top nav").count(), 0, "a stranger is led nowhere else");
  const small = await page.$$eval("main label:has(input[type=radio]), main button", (all) =>
    all.filter((it) => it.getBoundingClientRect().height < 24).map((it) => it.textContent.trim()),
  );
  assert.deepEqual(small, [], "too small for a finger");
  assert.deepEqual(await judge(page), []);
  watched.none(name);
  await page.screenshot({ path: join(world.screenshots, `${name}.${lang}.phone.png`), fullPage: true });
}

for (const [lang, code] of [["en", "C-101"], ["zh-Hans", "C-102"]]) {
  describe(`the contact's pages in ${lang}`, () => {
    test("a statement: one line is right, one is not", async () => {
      const made = await server.operate("statement", "link", world.statements[code], "--contact", "王芳", "--as", "fang");
      const address = /http:\S+\/s\/\S+/.exec(made)[0];
      const page = await open(browser, undefined, { lang, ...SMALL });
      const watched = await watch(page, { statuses: [422] });
      await page.goto(address);
      await decent(page, watched, "link-statement", lang);
      const button = page.locator("form button.main");
      await button.tap();
      await page.locator("[role=alert]").waitFor();
      await page.locator("[name=verdict-1][value=confirmed]").tap();
      await page.locator("[name=verdict-2][value=disputed]").tap();
      await button.tap();
      await page.locator("[role=alert]").waitFor();
      // Nothing is to be answered twice.
      assert.ok(await page.locator("[name=verdict-1][value=confirmed]").isChecked());
      assert.ok(await page.locator("[name=verdict-2][value=disputed]").isChecked());
      await page.fill("[name=remark-2]", REMARK);
      await button.tap();
      await page.locator("[role=status]").waitFor();
      await page.goto(address);
      assert.ok((await textOf(page)).includes(REMARK), "the answer is there when one comes back");
      await decent(page, watched, "link-statement-answered", lang);
      const shown = await server.operate("statement", "show", world.statements[code]);
      assert.ok(shown.includes("two"), shown);
      await server.operate("statement", "revoke-links", world.statements[code], "--as", "fang");
      const answer = await page.goto(address);
      assert.equal(answer.status(), 410);
      assert.deepEqual(await judge(page), []);
      await page.context().close();
    });

    test("a delivery: one line is right, one is not, and the office and the rep hear of it", async () => {
      const [id, rep] = lang === "en" ? [world.delivery, "lina"] : [world.otherDelivery, "wei"];
      const office = await open(browser, "supervisor", { lang });
      await office.goto(`/records/${id}`);
      await office.locator(`a[href='/records/${id}/links']`).click();
      await office.fill("#contact", "王芳 <Wang>");
      await office.click("#link-form button.main");
      const address = await office.inputValue("#delivery-link");

      const page = await open(browser, undefined, { lang, ...SMALL });
      const watched = await watch(page);
      await page.goto(address);
      await decent(page, watched, "link-delivery", lang);
      const lines = page.locator("li[data-line]");
      assert.equal(await lines.count(), 2);
      await lines.nth(0).locator("[value=confirmed]").tap();
      await lines.nth(1).locator("[value=disputed]").tap();
      await lines.nth(1).locator("[name^=remark-]").fill(REMARK);
      await page.locator("#send").tap();
      await page.locator("#thanks").waitFor();
      assert.match(await page.innerText("#said"), /two/);
      await decent(page, watched, "link-delivery-answered", lang);

      await office.goto(`/records/${id}`);
      assert.ok((await textOf(office)).includes(REMARK), "the office reads what is wrong");
      const phone = phoneOf(rep);
      await phone.say("sync");
      assert.match(JSON.stringify(await phone.say("show", id)), /"disputed"/);
      await office.goto(`/records/${id}/links`);
      await office.click("#revoke-form button");
      await office.locator("[role=status]").waitFor();
      const answer = await page.goto(address);
      assert.equal(answer.status(), 410);
      assert.deepEqual(await judge(page), []);
      for (const it of [office, page]) await it.context().close();
    });
  });
}
