// Pictures for the README: what the office sees after the day, in a window of 1280 × 800.

import { join } from "node:path";

import { day } from "../company/books.js";
import { launch, open } from "./browser.js";
import { world } from "./world.js";

export async function takePictures(folder) {
  const browser = await launch();
  try {
    const page = await open(browser, "supervisor", { height: 800 });
    const take = async (name, path, before = async () => {}) => {
      await page.goto(path);
      await page.waitForLoadState("load");
      await before();
      await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled", caret: "hide" });
    };
    await take("today", "/");
    await take("credit-desk", "/credit");
    await take("disagreement", `/records/${world.delivery}`);
    await take("receivables", "/receivables");
    await page.goto("/team");
    const reps = await page.$$eval("main a[href^='/team/']", (links) => links.map((it) => [it.textContent, it.getAttribute("href")]));
    const [, lina] = reps.find(([name]) => name.includes("李娜"));
    await take("day", `/activity/day/${lina.split("?")[0].split("/").at(-1)}/${day()}`);
    await page.context().close();
    const chinese = await open(browser, "supervisor", { lang: "zh-Hans", height: 800 });
    await chinese.goto("/receivables/worklist");
    await chinese.screenshot({ path: join(folder, "worklist.zh-Hans.png"), animations: "disabled" });
    await chinese.context().close();
  } finally {
    await browser.close();
  }
}
