// What run.js made for the tests.

import { readFileSync } from "node:fs";

import { Phone, Server } from "./program.js";

const path = process.env.FIELDLEDGER_WORLD;
if (!path) throw new Error("start these tests with test.sh: it makes the company and starts the server");

/** Address, folder, password, whom one signs in as, and the ids of the day. */
export const world = JSON.parse(readFileSync(path, "utf8"));

/** The running server. */
export const server = new Server(world.data);
server.url = world.url;

/** The phone that somebody was given on the day. */
export const phoneOf = (login) => new Phone(world.folder, login);

/** One more phone of somebody. */
export async function anotherPhoneOf(login, name) {
  const phone = new Phone(world.folder, name);
  const code = (await server.operate("device", "enrol", login)).split("\n")[0].trim();
  await phone.say("enrol", server.url, code, "--name", name);
  await phone.say("sync");
  return phone;
}
