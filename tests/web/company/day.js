// What the company's people did before the tests look at the pages: a morning of visits, orders, deliveries and money, all of
// it recorded on phones and synced.

import { copyFile } from "node:fs/promises";
import { join } from "node:path";

import { Phone } from "../support/program.js";
import { HOSTILE, day, placeOf } from "./books.js";

/** A picture of a damaged box, as the demo's phones take it. */
export const PICTURE = new URL("../../../sync-server/src/cli/demo/photos/damaged-box.png", import.meta.url);

/** What people typed in English or Chinese: it is shown as it is, in whatever language the page is. */
export const TYPED = [
  "Promotion next week, shelf agreed.", "bring the posters", "Stall open, stock low.", "wanted before Friday", "at the ramp",
  "One box short, not on the lorry.", "One box short, to follow.", "The whole of the oldest invoice.", "visit number",
  "accounts of last year", "two boxes leaked",
];

export const VISITS_TO_REVIEW = 26;

/** Plays it, and tells the ids that tests go by. */
export async function playDay(server, folder) {
  const phones = {};
  for (const login of ["lina", "wei", "zhou", "zhao", "ma"]) phones[login] = await Phone.of(server, folder, login);
  const [north, south, west] = await Promise.all([
    playNorth(server, folder, phones),
    playSouth(phones.zhao),
    playWest(phones.ma),
  ]);
  // The round of the day issues last month's statements, if the server has not made it by itself yet.
  await server.operate("collect", "round");
  const statements = {};
  for (const line of (await server.operate("statement", "list")).split("\n")) {
    const [, id, code] = /^([0-9a-f-]{36})\s+(C-\d+)/.exec(line) ?? [];
    if (id) statements[code] = id;
  }
  return { ...north, ...south, ...west, statements };
}

async function playNorth(server, folder, { lina, wei, zhou }) {
  await server.operate("credit", "grant", "C-101", lina.device, "6000", "--as", "chen");
  await server.operate("credit", "grant", "C-109", wei.device, "12000", "--as", "chen");
  const visit = await lina.visit(
    "C-101", placeOf("C-101"), "下周做促销，货架已谈好。Promotion next week, shelf agreed.",
    "--outcome", "order_taken", "--next", "送促销海报 bring the posters", "--due", day(3),
  );
  await lina.visit("C-103", "39.9600,116.5200", "店里没人，在门口打了电话。", "--outcome", "contact_absent");
  const mocked = await lina.say("visit", "start", "C-105", "--at", placeOf("C-105"), "--mocked");
  await lina.say("visit", "check-out", mocked.id, "--note", "Stall open, stock low.");
  await lina.say("visit", "plan", "C-106", day());
  await lina.say("visit", "plan", "C-107", day());
  await lina.say("visit", "plan", "C-102", day(1));
  await lina.order("C-101", "SO-1001", "", "P-1=20", "P-2=30");
  const held = await lina.order("C-104", "SO-1002", "老板说周五前要货 wanted before Friday", "P-3=40", "P-5=12");
  await lina.order("C-102", "SO-1003", "", "P-5=60");
  await lina.say("collect", "C-104", "--channel", "visit", "--person", "孙丽", "--promise", "3000", "--due", day(3), "--invoice", "104-001", "--note", "周五先付三千。");
  await lina.say("collect", "C-103", "--channel", "phone", "--outcome", "not_reached");
  const signed = await lina.say("deliver", "new", "C-101", "SN-2001", "--line", "P-1=20@B-77", "--line", "P-2=30", "--order", "SO-1001", "--day", day());
  const photo = join(folder, "sign-off.png");
  await copyFile(PICTURE, photo);
  await lina.say("deliver", "evidence", signed.id, photo, "--kind", "photo", "--caption", "卸货现场 at the ramp");
  await lina.say("deliver", "sign", signed.id, "--receiver", "王芳", "--line", "2=short:1,damaged:2,reason:两箱漏液，一箱未到", "--at", placeOf("C-101"));
  await lina.say("deliver", "confirm", signed.id, "sales");
  await lina.say("deliver", "new", "C-103", "SN-2002", "--line", "P-6=8", "--day", day());
  await lina.say("sync");
  await zhou.say("sync");
  // Both write remarks without knowing of each other: a disagreement.
  await zhou.say("deliver", "note", signed.id, "少一箱矿泉水，车上没有。One box short, not on the lorry.");
  await lina.say("deliver", "note", signed.id, "短少一箱，改日补送。One box short, to follow.");
  await zhou.say("deliver", "confirm", signed.id, "warehouse");
  await Promise.all([lina.say("sync"), zhou.say("sync")]);
  await wei.visit("C-109", placeOf("C-109"), "季度对账完成。", "--outcome", "successful");
  await wei.visit("C-110", placeOf("C-110"), "经理答应查那两张老发票。", "--outcome", "follow_up");
  await wei.order("C-109", "SO-1010", "", "P-4=30", "P-3=20");
  await wei.order("C-110", "SO-1011", "", "P-4=90");
  await wei.say("collect", "C-110", "--channel", "phone", "--person", "Ann", "--promise", "12100", "--due", day(5), "--invoice", "110-001", "--note", "The whole of the oldest invoice.");
  const other = await wei.say("deliver", "new", "C-109", "SN-2010", "--line", "P-4=30@R-9", "--line", "P-3=20", "--day", day());
  await wei.say("deliver", "sign", other.id, "--receiver", "郑经理", "--at", placeOf("C-109"));
  await wei.say("sync");
  return { visit, held, delivery: signed.id, otherDelivery: other.id };
}

async function playSouth(zhao) {
  const { customer, formula, long, note, longWord } = HOSTILE;
  const visit = await zhao.visit(customer, placeOf(customer), note, "--next", `<marquee>${note}`);
  const longNote = await zhao.visit(long, placeOf(long), longWord);
  await zhao.say("collect", customer, "--person", HOSTILE.contact, "--note", note, "--promise", "100", "--due", day(2));
  await zhao.order(formula, `=1+1"><img src=x onerror=window.hacked=1>`, note, "P-3=1");
  await zhao.order(customer, "+HELD", note, "P-5=50");
  const delivery = await zhao.say("deliver", "new", customer, `@SUM(A1)<i>`, "--line", `P-1=2@${note.slice(0, 40)}`, "--day", day());
  await zhao.say("deliver", "sign", delivery.id, "--receiver", HOSTILE.contact, "--line", `1=short:1,reason:${note}`);
  await zhao.say("sync");
  return { hostileVisit: visit, longVisit: longNote, hostileDelivery: delivery.id };
}

async function playWest(ma) {
  for (let index = 1; index <= VISITS_TO_REVIEW; index += 1) {
    await ma.visit("C-801", placeOf("C-801"), `第 ${index} 次拜访 visit number ${index}`);
  }
  await ma.say("sync");
  return {};
}
