// Photos: an open page shows that one is to come, and then the photo itself, without a reload.

import assert from "node:assert/strict";
import { copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { PICTURE } from "./company/day.js";
import { launch, open, watch } from "./support/browser.js";
import { phoneOf, world } from "./support/world.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Whether the browser has made a picture of it. */
const seen = (image) => image.evaluate((it) => it.decode().then(() => it.naturalWidth > 100 && it.naturalHeight > 100));

describe("photos", () => {
  test("appear on open pages when the phone has sent them, and nothing that is no picture is shown as one", async () => {
    const wei = phoneOf("wei");
    const { id } = await wei.say("deliver", "new", "C-109", "SN-PHOTO", "--line", "P-4=3");
    await wei.say("sync");

    const record = await open(browser, "supervisor");
    const watched = await watch(record);
    const gallery = await record.context().newPage();
    await record.goto(`/records/${id}`);
    await gallery.goto("/activity/photos?kind=delivery");
    for (const page of [record, gallery]) await page.evaluate(() => (window.here = true));
    const before = await gallery.locator(".gallery li").count();

    // The camera's folder is emptied before there is a network.
    const photo = join(world.folder, "damaged 破损.png");
    const slip = join(world.folder, "slip.pdf");
    await copyFile(PICTURE, photo);
    await writeFile(slip, "<!doctype html><script>window.top.bad = true</script>");
    await wei.say("deliver", "evidence", id, photo, "--kind", "photo", "--caption", "<b>破损</b> the corner");
    await wei.say("deliver", "evidence", id, slip, "--kind", "weighbridge", "--caption", "slip");
    await Promise.all([rm(photo), rm(slip)]);
    const sent = await wei.say("sync");
    assert.deepEqual([sent.files_sent, sent.files_waiting, sent.files_problem], [2, 0, null]);

    await record.bringToFront();
    const image = record.locator(".gallery img");
    await image.waitFor();
    assert.ok(await seen(image));
    assert.equal(await image.getAttribute("alt"), "photo: <b>破损</b> the corner");
    await record.getByText("2 of 2 files have arrived.").waitFor();
    await gallery.bringToFront();
    await gallery.waitForFunction((count) => document.querySelectorAll(".gallery li").length === count, before + 2);
    const inGallery = gallery.locator(`.gallery li:has(a[href="/records/${id}"]) img`);
    assert.equal(await inGallery.count(), 1, "the slip is no picture");
    assert.ok(await seen(inGallery));
    for (const page of [record, gallery]) assert.equal(await page.evaluate(() => window.here), true, "the page was reloaded");

    // The slip claims to be a PDF and is a page with a script: it is saved, never shown.
    await record.bringToFront();
    const [download] = await Promise.all([record.waitForEvent("download"), record.click(".gallery a[download]")]);
    assert.match(download.suggestedFilename(), /\.pdf$/);
    assert.equal(await record.evaluate(() => window.bad), undefined);
    watched.none("photos that arrive");

    // By itself, larger.
    await record.locator(".gallery a.picture").click();
    await record.waitForURL(/\/evidence\//);
    assert.ok(await seen(record.locator("img")));
    const address = record.url();
    await record.context().close();

    const other = await open(browser, "west");
    assert.equal((await other.request.get(address)).status(), 404, "it is none of another territory's business");
    await other.context().close();
    const stranger = await open(browser, null);
    const answer = await stranger.request.get(address, { maxRedirects: 0 });
    assert.equal(answer.status(), 401);
    await stranger.context().close();
  });
});
