// Twenty-six visits reviewed in Activity: twenty from the keyboard alone, the rest in one go.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { VISITS_TO_REVIEW } from "./company/day.js";
import { launch, open, watch } from "./support/browser.js";
import { phoneOf } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

describe("reviewing", () => {
  test("twenty records are reviewed without a mouse", async () => {
    const page = await open(browser, "west");
    const watched = await watch(page);
    // No pointer at all: whatever asks for a click fails.
    await page.goto("/activity?kind=visit");
    const rows = page.locator("tr[data-record]");
    assert.equal(await rows.count(), VISITS_TO_REVIEW);
    const ids = await rows.evaluateAll((all) => all.map((it) => it.dataset.record));
    const focused = () => page.evaluate(() => document.activeElement?.closest("tr[data-record]")?.dataset.record ?? null);
    const at = (id) => page.waitForFunction((it) => document.activeElement?.closest("tr[data-record]")?.dataset.record === it, id);
    const verdict = (id, name) => page.locator(`#r-${id} .verdict-${name}`).waitFor();

    await page.keyboard.press("j");
    assert.equal(await focused(), ids[0]);
    await page.keyboard.press("j");
    assert.equal(await focused(), ids[1]);
    await page.keyboard.press("k");
    assert.equal(await focused(), ids[0]);

    for (let index = 0; index < 17; index += 1) {
      assert.equal(await focused(), ids[index]);
      await page.keyboard.press("a");
      await verdict(ids[index], "approved");
      await at(ids[index + 1]);
    }
    for (const [index, key, name] of [[17, "q", "questioned"], [18, "q", "questioned"], [19, "f", "flagged"]]) {
      await page.keyboard.press(key);
      await page.locator("#say[open]").waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.id), "say-comment");
      await page.keyboard.type(`为什么第 ${index} 次 <why>?`);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await verdict(ids[index], name);
      await at(ids[index]);
      await page.keyboard.press("j");
    }
    // Typing into a field is no command.
    await page.locator("#q").focus();
    await page.keyboard.type("aqf");
    assert.equal(await page.inputValue("#q"), "aqf");
    assert.equal(await page.locator("#say[open]").count(), 0);
    watched.none("reviewing from the keyboard");
    await page.context().close();

    const ma = phoneOf("ma");
    await ma.say("sync");
    const waiting = await ma.say("reviews");
    assert.equal(JSON.stringify(waiting).match(/<why>/g)?.length, 3, "the rep hears of the two questions and the flag");
  });

  test("what is left is ticked and approved together", async () => {
    const page = await open(browser, "west", { lang: "zh-Hans" });
    const watched = await watch(page);
    await page.goto("/activity?kind=visit&unreviewed=1");
    const rows = page.locator("tr[data-record]");
    const left = VISITS_TO_REVIEW - 20;
    assert.equal(await rows.count(), left);
    await page.keyboard.press("j");
    for (let index = 0; index < left; index += 1) {
      await page.keyboard.press("x");
      await page.keyboard.press("j");
    }
    assert.equal(await page.locator("input[name=id]:checked").count(), left);
    // Whoever has ticked some does not approve one of them alone by a key.
    await page.keyboard.press("a");
    await page.locator("#said", { hasText: "已勾选" }).waitFor();
    assert.ok(await page.locator("#said").evaluate((it) => it.getBoundingClientRect().top < innerHeight), "it is in sight");
    assert.equal(await rows.count(), left);
    await page.locator("#batch button[value=approved]").focus();
    await page.keyboard.press("Enter");
    await page.locator("#notice").waitFor();
    assert.match(await page.innerText("#notice"), new RegExp(String(left)));
    assert.equal(await page.locator("tr[data-record]").count(), 0, "nothing waits for a review");
    watched.none("approving together");
    await page.context().close();
  });

  test("what was not saved is said, and the comment stays", async () => {
    const page = await open(browser, "west");
    await page.goto("/activity?kind=visit");
    await page.keyboard.press("j");
    await page.keyboard.press("q");
    await page.locator("#say[open]").waitFor();
    await page.keyboard.type("为什么 why so late?");
    await page.context().setOffline(true);
    await page.locator("#say button.main").click();
    const problem = page.locator("#say-problem");
    await problem.waitFor();
    assert.match(await problem.innerText(), /Not saved.*cannot be reached/s);
    assert.equal(await page.inputValue("#say-comment"), "为什么 why so late?");
    // The session has ended meanwhile.
    await page.context().setOffline(false);
    await page.context().clearCookies();
    await page.locator("#say button.main").click();
    await page.getByText("You are signed out").waitFor();
    assert.equal(await page.inputValue("#say-comment"), "为什么 why so late?");
    await page.context().close();
  });
});
