// The program under test: the server's command line, the server itself, and the phone of the command line.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";

export const BINARY = process.env.FIELDLEDGER_BIN ?? "";

/** Runs a command to its end. `codes` are the exit codes that are no failure. */
export function run(args, { env = {}, input = "", codes = [0] } = {}) {
  return new Promise((resolve, reject) => {
    const child = execFile(
      BINARY,
      args,
      { env: { ...process.env, ...env }, maxBuffer: 64 << 20, timeout: 180_000 },
      (error, stdout, stderr) => {
        const code = error ? error.code : 0;
        if (codes.includes(code)) resolve({ code, stdout, stderr });
        else reject(new Error(`${args.slice(0, 6).join(" ").slice(0, 200)}: ${code ?? error.signal}: ${stderr}`));
      },
    );
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** A data folder with a server on it. */
export class Server {
  constructor(data) {
    this.data = data;
  }

  /** What an operator types, in the folder or inside the running server. */
  async operate(...args) {
    return (await run(args, { env: { FIELDLEDGER_DATA: this.data } })).stdout.trim();
  }

  async setPassword(login, password) {
    await run(["user", "password", login, "--password-stdin"], {
      env: { FIELDLEDGER_DATA: this.data },
      input: `${password}\n`,
    });
  }

  /** Starts to serve on a free port of the loopback interface. */
  async start() {
    // Many sign-ins and many tries of one machine in a minute are what this is about.
    const limits = ["--sign-in-per-minute", "0", "--enrol-per-minute", "0", "--workers", "1"];
    this.child = spawn(BINARY, ["serve", "--data", this.data, "--listen", "127.0.0.1:0", "--log", "warn", ...limits], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.log = "";
    this.child.stderr.on("data", (bytes) => (this.log = (this.log + bytes).slice(-20_000)));
    const exited = once(this.child, "exit").then(() => {
      throw new Error(`the server did not start:\n${this.log}`);
    });
    exited.catch(() => {});
    const listening = (async () => {
      for await (const line of createInterface({ input: this.child.stdout })) {
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
        if (found) return found[0];
      }
      throw new Error(`the server said no address:\n${this.log}`);
    })();
    this.url = await Promise.race([listening, exited]);
    this.child.stdout.resume();
    return this.url;
  }

  async stop() {
    if (!this.child || this.child.exitCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const patience = setTimeout(() => this.child.kill("SIGKILL"), 30_000);
    await gone;
    clearTimeout(patience);
  }
}

/** A phone: a database of its own, and the commands that a rep gives. */
export class Phone {
  constructor(folder, name) {
    this.db = join(folder, `${name}.db`);
    this.name = name;
  }

  /** A phone that has just become somebody's and knows what the server knows. */
  static async of(server, folder, login) {
    const phone = new Phone(folder, login);
    const code = (await server.operate("device", "enrol", login)).split("\n")[0].trim();
    const { device } = await phone.say("enrol", server.url, code, "--name", `phone of ${login}`);
    phone.device = device;
    await phone.say("sync");
    return phone;
  }

  /** Gives a command and reads its answer. */
  async say(...args) {
    const codes = args[0] === "order" && args[1] === "submit" ? [0, 4] : [0];
    const { stdout } = await run(["phone", "--db", this.db, "--json", ...args], { codes });
    return stdout.trim() ? JSON.parse(stdout) : {};
  }

  /** A visit from beginning to end. */
  async visit(customer, at, note, ...more) {
    const { id } = await this.say("visit", "start", customer, "--at", at);
    await this.say("visit", "check-out", id, "--at", at, "--note", note, ...more);
    return id;
  }

  /** An order, submitted. */
  async order(customer, number, note, ...lines) {
    const args = lines.flatMap((it) => ["--line", it]);
    const { id } = await this.say("order", "new", customer, "--number", number, "--note", note, ...args);
    await this.say("order", "submit", id);
    return id;
  }
}
