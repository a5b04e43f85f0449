// The morning's decision from end to end: a rep with a real phone, a supervisor with two pages open in the browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, open, watch } from "./support/browser.js";
import { Phone } from "./support/program.js";
import { server, world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const eventsOf = (decision) => decision.events.map((it) => (typeof it.what === "string" ? it.what : Object.keys(it.what)[0]));

describe("a held order", () => {
  let phone;

  test("the administrator makes a code in the browser, and a phone enrols with it", async () => {
    const page = await open(browser, "administrator");
    await page.goto("/devices");
    await page.locator("#person").selectOption({ label: "魏强 Will" });
    await page.click("#enrol-form button");
    const code = (await page.innerText("#enrolment-code")).trim();
    assert.match(code, /^\w{4}-\w{4}-\w{4}$/);
    phone = new Phone(world.folder, "wei in the morning");
    const { name } = await phone.say("enrol", server.url, code, "--name", "new phone of Wei");
    assert.equal(name, "魏强 Will");
    await page.goto("/devices");
    await page.getByText("new phone of Wei").waitFor();
    await page.context().close();
    await phone.say("sync");
  });

  test("appears on open pages by itself, is released with a reason, and the rep's phone says so", async () => {
    const desk = await open(browser, "supervisor");
    const watched = await watch(desk);
    const today = await desk.context().newPage();
    await desk.goto("/credit");
    await today.goto("/");
    // A mark that a reload would wipe away.
    for (const page of [desk, today]) await page.evaluate(() => (window.here = true));

    const order = await phone.order("C-111", "SO-MORNING", "老客户，急用 urgent", "P-5=100");
    await phone.say("sync");

    await today.bringToFront();
    await today.locator("#deck-held", { hasText: "SO-MORNING" }).waitFor();
    await desk.bringToFront();
    const card = desk.locator(`#order-${order}`);
    await card.waitFor();
    for (const page of [desk, today]) assert.equal(await page.evaluate(() => window.here), true, "the page was reloaded");
    assert.match(await card.innerText(), /SO-MORNING/);
    assert.match(await card.innerText(), /24,000\.00/);
    assert.ok((await card.locator("[data-rule-failed]").count()) > 0, "which rules failed is said");

    await card.locator("button[value=release]").click();
    assert.ok(await card.isVisible(), "without a reason nothing is sent");
    await card.locator("textarea").fill("王总电话同意，今天付清旧账 agreed by phone");
    await card.locator("button[value=release]").click();
    await desk.locator("[role=status].notice").waitFor();
    await card.waitFor({ state: "detached" });
    await today.bringToFront();
    await today.getByText("SO-MORNING").and(today.locator("#deck-held *")).first().waitFor({ state: "detached" });
    watched.none("the credit desk");

    assert.ok(!eventsOf(await phone.say("decision", order)).includes("released"), "the phone has not heard of it yet");
    await phone.say("sync");
    const decision = await phone.say("decision", order);
    assert.equal(decision.standing, "released");
    const released = decision.events.at(-1);
    assert.deepEqual(eventsOf(decision).at(-1), "released");
    assert.equal(released.reason, "王总电话同意，今天付清旧账 agreed by phone");
    await desk.context().close();
  });

  test("is decided on where Today leads to, or on its own page", async () => {
    const order = await phone.order("C-111", "SO-LINKED", "", "P-5=102");
    await phone.say("sync");
    const page = await open(browser, "supervisor");
    const watched = await watch(page);
    await page.goto("/");
    await page.locator(`#deck-held a[href*='${order}']`).click();
    await page.waitForURL(`**/credit?order=${order}*`);
    assert.equal(await page.locator("[data-order]").count(), 1, "the one that was clicked on");
    assert.ok(await page.locator(`#order-${order} button[value=release]`).isVisible());
    // The order's own page offers the same.
    await page.goto(`/records/${order}`);
    const decide = page.locator("#decide");
    assert.match(await decide.innerText(), /the limit is CNY 8,000\.00/);
    await decide.locator("textarea").fill("老账已付 paid this morning");
    await decide.locator("button[value=release]").click();
    await page.locator("[role=status].notice").waitFor();
    await page.goto(`/records/${order}`);
    assert.equal(await page.locator("#decide").count(), 0, "nothing is left to decide");
    assert.match(await page.innerText("main"), /老账已付 paid this morning/);
    watched.none("the order's page");
    await page.context().close();
    await phone.say("sync");
    assert.deepEqual(eventsOf(await phone.say("decision", order)).at(-1), "released");
  });

  test("is refused from the keyboard, and two supervisors cannot decide twice", async () => {
    const order = await phone.order("C-111", "SO-TWICE", "", "P-5=101");
    await phone.say("sync");
    const one = await open(browser, "supervisor");
    const other = await open(browser, "administrator");
    // Whoever is about to decide is told, and what they typed is not lost.
    const third = await open(browser, "supervisor");
    await third.goto("/credit");
    await third.locator(`#order-${order}-reason`).fill("half a 理由");
    // The other page does not hear of the first decision.
    await other.addInitScript(() => delete window.EventSource);
    for (const page of [one, other]) {
      await page.goto("/credit");
      await page.locator(`#order-${order}`).waitFor();
    }
    const reason = one.locator(`#order-${order}-reason`);
    await reason.focus();
    await one.keyboard.type("先还旧账 old invoices first");
    await one.keyboard.press("Tab");
    await one.keyboard.press("Tab");
    await one.keyboard.press("Enter");
    await one.locator(`#order-${order}`).waitFor({ state: "detached" });
    assert.match(await one.innerText("[role=status].notice"), /SO-TWICE/, "which order was refused is said");
    await third.locator("#gone", { hasText: "SO-TWICE" }).waitFor();
    assert.match(await third.innerText("#gone"), /half a 理由/);
    const late = other.locator(`#order-${order}`);
    await late.locator("textarea").fill("let it go");
    await late.locator("button[value=release]").click();
    await other.waitForLoadState();
    assert.match(await other.innerText("main"), /has been decided on/);
    await phone.say("sync");
    const decision = await phone.say("decision", order);
    assert.deepEqual(eventsOf(decision).at(-1), "refused");
    for (const page of [one, other, third]) await page.context().close();
  });
});
