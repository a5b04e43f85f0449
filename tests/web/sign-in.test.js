// Who gets in, who does not, and how one leaves again.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { judge, launch, open, signIn, watch } from "./support/browser.js";
import { world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

// Whose sessions the other tests do not need.
const LOGIN = "xu";

describe("signing in", () => {
  test("leads to the page that was asked for, and out again", async () => {
    const page = await open(browser);
    const watched = await watch(page);
    await page.goto("/customers?q=Caf%C3%A9");
    assert.equal(new URL(page.url()).pathname, "/sign-in");
    assert.equal(await page.locator(".top nav").count(), 0, "a stranger is told nothing of the parts of the site");
    await page.keyboard.type(LOGIN);
    await page.keyboard.press("Tab");
    await page.keyboard.type(world.password);
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/customers\?q=Caf/);
    assert.match(await page.innerText(".person"), /许会计/);
    const cookies = await page.context().cookies();
    const session = cookies.find((it) => it.httpOnly && it.path === "/" && it.name !== "fl_language");
    assert.ok(session, "the session is out of reach of scripts");
    await page.click("form[action='/sign-out'] button");
    await page.waitForURL(/\/sign-in\?left=true/);
    assert.ok(await page.locator("[role=status]").isVisible());
    await page.goto("/customers");
    assert.equal(new URL(page.url()).pathname, "/sign-in", "the session has ended");
    await page.context().addCookies([session]);
    await page.goto("/customers");
    assert.equal(new URL(page.url()).pathname, "/sign-in", "the old cookie is worth nothing");
    watched.none("signing in and out");
    await page.context().close();
  });

  test("and what is not there or not possible is told on pages that anybody can use", async () => {
    const page = await open(browser);
    const watched = await watch(page, { statuses: [400, 403, 404] });
    await page.goto("/sign-in");
    assert.deepEqual(await judge(page), []);
    await page.goto("/sign-in?left=true");
    assert.deepEqual(await judge(page), []);
    await signIn(page, LOGIN);
    for (const [path, status] of [["/nothing", 404], ["/records/00000000-0000-4000-8000-000000000000", 404], ["/activity?from=x", 400]]) {
      for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        assert.equal((await page.goto(path)).status(), status);
        assert.equal(await page.locator("h1").count(), 1);
        assert.deepEqual(await judge(page), [], `${path} in the ${scheme}`);
      }
    }
    // The tests below count the sessions.
    await page.goto("/");
    await page.click("form[action='/sign-out'] button");
    await page.waitForURL(/\/sign-in/);
    watched.none("pages of errors");
    await page.context().close();
  });

  test("with a wrong password says so, keeps the name and asks for the password again", async () => {
    const page = await open(browser, undefined, { lang: "zh-Hans" });
    const watched = await watch(page, { statuses: [401] });
    await page.goto("/sign-in");
    await page.fill("#login", LOGIN);
    await page.fill("#password", "wrong");
    await page.click("form[action='/sign-in'] button");
    const alert = page.locator("[role=alert]");
    await alert.waitFor();
    assert.match(await alert.innerText(), /\p{Script=Han}/u);
    assert.equal(await page.inputValue("#login"), LOGIN);
    assert.equal(await page.inputValue("#password"), "");
    assert.equal(await page.evaluate(() => document.activeElement.id), "password");
    assert.deepEqual(await judge(page), []);
    watched.none("a wrong password");
    await page.context().close();
  });

  test("is slowed down after five wrong passwords, and the page says for how long", async () => {
    const page = await open(browser);
    await watch(page, { statuses: [401, 429] });
    const answer = async () => {
      const [response] = await Promise.all([
        page.waitForResponse((it) => it.request().method() === "POST"),
        page.locator("form[action='/sign-in'] button").click(),
      ]);
      await page.waitForLoadState();
      return response;
    };
    await page.goto("/sign-in");
    let response;
    // The wait of the sixth is one second, of each further one twice as long: however slow the machine, one of these is early.
    for (let tries = 0; tries < 14 && response?.status() !== 429; tries += 1) {
      await page.fill("#login", "guessed");
      await page.fill("#password", `guess ${tries}`);
      response = await answer();
      if (tries < 5) assert.equal(response.status(), 401);
    }
    assert.equal(response.status(), 429);
    assert.ok(Number(response.headers()["retry-after"]) >= 1);
    assert.match(await page.innerText("[role=alert]"), /Too many attempts\. Try again in \d+ (s|min)/);
    await page.context().close();
  });

  test("tells a rep that the pages are for the office", async () => {
    const page = await open(browser);
    const watched = await watch(page, { statuses: [403] });
    await page.goto("/sign-in");
    await page.fill("#login", "lina");
    await page.fill("#password", world.password);
    await page.click("form[action='/sign-in'] button");
    await page.locator("h1", { hasText: "No access" }).waitFor();
    assert.equal(await page.locator(".top nav").count(), 0);
    assert.deepEqual(await judge(page), []);
    watched.none("a rep's sign-in");
    await page.context().close();
  });

  test("with two browsers shows two sessions, and either ends the other", async () => {
    const one = await open(browser);
    const other = await open(browser, undefined, { lang: "zh-Hans" });
    await signIn(one, LOGIN, world.password, "/account");
    await signIn(other, LOGIN, world.password, "/account");
    await one.reload();
    assert.equal(await one.locator("#sessions > li").count(), 2);
    assert.equal(await one.locator("#sessions .mark").count(), 1, "which is this one is said");
    await one.click("#sessions button[value=end]");
    await one.locator("#sessions > li").nth(1).waitFor({ state: "detached" });
    await other.goto("/account");
    assert.equal(new URL(other.url()).pathname, "/sign-in");
    await signIn(other, LOGIN, world.password, "/account");
    await other.click("#sign-out-form button");
    await other.waitForURL(/\/sign-in/);
    await one.goto("/account");
    assert.equal(new URL(one.url()).pathname, "/sign-in", "everywhere is everywhere");
    for (const page of [one, other]) await page.context().close();
  });

  test("a new person gets a link from the administrator, sets a password and is in", async () => {
    const administrator = await open(browser, "administrator");
    await administrator.goto("/people");
    await administrator.click("#new-person");
    await administrator.fill("#login", "newcomer");
    await administrator.fill("[name=name]", "新同事 <Newcomer>");
    await administrator.locator("[name=role][value=finance]").check();
    await administrator.click("#person-form button.main");
    // The first link comes with the account; when it is lost, another is made on the person's page.
    const first = await administrator.inputValue("#password-link");
    await administrator.locator("main a[href^='/people/']").click();
    await administrator.locator("#password-link-form button").click();
    const address = await administrator.inputValue("#password-link");
    for (const link of [first, address]) assert.ok(link.startsWith(`${world.url}/password/`), link);
    assert.notEqual(address, first);

    const person = await open(browser, undefined, { lang: "zh-Hans", width: 390 });
    const watched = await watch(person);
    await person.goto(address);
    await person.fill("#new", "a-password-of-my-own");
    await person.fill("#again", "a-password-of-my-own");
    await person.click("#password-form button.main");
    await person.waitForURL((url) => !url.pathname.startsWith("/password"));
    if (new URL(person.url()).pathname === "/sign-in") await signIn(person, "newcomer", "a-password-of-my-own");
    await person.goto("/account");
    assert.match(await person.innerText("main"), /新同事 <Newcomer>/);
    watched.none("the newcomer's pages");
    const again = await open(browser);
    const answer = await again.goto(address);
    assert.ok([404, 410].includes(answer.status()), "the link worked once");
    for (const page of [administrator, person, again]) await page.context().close();
  });
});
