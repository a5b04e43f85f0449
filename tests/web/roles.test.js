// What somebody may not see is not linked, and asking for it by its address gets nowhere.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, open } from "./support/browser.js";
import { world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const parts = (page) => page.$$eval(".top nav a", (links) => links.map((it) => it.getAttribute("href")));
const status = async (page, path) => (await page.goto(path)).status();

describe("access", () => {
  const ADMINISTRATORS = ["/people", "/people/new", "/audit"];

  for (const role of ["supervisor", "finance", "south"]) {
    test(`${role}: no link leads to what is the administrator's, and its address answers 403`, async () => {
      const page = await open(browser, role);
      await page.goto("/");
      const linked = await page.$$eval("a[href]", (links) => links.map((it) => it.getAttribute("href")));
      assert.ok((await parts(page)).includes("/activity"));
      for (const path of ADMINISTRATORS) {
        assert.ok(!linked.includes(path), `${path} is linked`);
        assert.equal(await status(page, path), 403, path);
        assert.equal(await page.locator("main table, main form").count(), 0, "nothing but the refusal");
      }
      await page.context().close();
    });
  }

  test("the administrator reaches what others do not", async () => {
    const page = await open(browser, "administrator");
    for (const path of ADMINISTRATORS) assert.equal(await status(page, path), 200, path);
    assert.ok((await parts(page)).includes("/people"));
    await page.context().close();
  });

  test("a supervisor sees nothing of another team: not in lists, not by address", async () => {
    const south = await open(browser, "south");
    await south.goto("/activity");
    const records = await south.$$eval("a[href^='/records/']", (links) => links.map((it) => it.getAttribute("href")));
    assert.ok(records.includes(`/records/${world.hostileVisit}`));
    await south.goto("/customers");
    const customers = await south.$$eval("main a[href^='/customers/']", (links) => links.map((it) => it.getAttribute("href")));
    assert.ok(customers.length >= 3);
    await south.context().close();

    const north = await open(browser, "supervisor");
    for (const path of ["/", "/activity", "/customers", "/team"]) {
      await north.goto(path);
      const links = await north.$$eval("a[href]", (all) => all.map((it) => it.getAttribute("href")));
      for (const foreign of [...records, ...customers]) assert.ok(!links.includes(foreign), `${path} links ${foreign}`);
      assert.doesNotMatch(await north.innerText("main"), /Zhao|C-901/, path);
    }
    for (const path of [records[0], customers[0]]) assert.equal(await status(north, path), 404, path);
    await north.context().close();
  });

  test("finance reads what is held and cannot decide on it", async () => {
    const page = await open(browser, "finance");
    await page.goto("/credit");
    assert.ok((await page.locator("article[data-order]").count()) > 0);
    assert.equal(await page.locator("button[name=decision]").count(), 0);
    await page.context().close();
  });

  test("a stranger is asked to sign in whatever the address", async () => {
    const page = await open(browser);
    for (const path of ["/", "/credit", "/audit", `/records/${world.visit}`, "/no/such/page"]) {
      const answer = await page.goto(path);
      const left = new URL(page.url()).pathname;
      assert.ok(left === "/sign-in" || answer.status() === 404, path);
    }
    for (const secret of ["/s/nothing", "/d/nothing", "/password/nothing"]) {
      assert.equal(await status(page, secret), 404, secret);
    }
    await page.context().close();
  });
});
