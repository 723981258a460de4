/** The airline that the pages under test belong to: a real `albatross up` with the examples and the demo's flights. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BINARY = join(
  process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"),
  process.env.CARGO_BUILD_TARGET ?? "",
  "debug/albatross",
);
const READY_MS = 120_000;

const printed = {
  link: /(http:\/\/skyways\.\S+\/welcome#\S+)/,
  url: /page +(http:\/\/skyways\.\S+)/,
  keyFile: /key +skyways-acars in (\S+)/,
};

export class Airline {
  /** What the process said, for those who look into a failure. */
  log = "";
  #process: ChildProcess | undefined;

  private constructor(readonly directory: string) {}

  /** Declared by `examples/`, on a free port, with a data directory of its own. */
  static async start(): Promise<Airline> {
    const airline = new Airline(await mkdtemp(join(tmpdir(), "albatross-browser-")));
    await airline.#run("127.0.0.1:0", "--demo");
    return airline;
  }

  get url(): string {
    return this.#find(printed.url);
  }

  /** The administrator's one-time link. */
  get link(): string {
    return this.#find(printed.link);
  }

  /** A process that dies without a chance to say so. */
  async kill(): Promise<void> {
    const ended = this.#process && this.#process.exitCode === null && once(this.#process, "exit");
    this.#process?.kill("SIGKILL");
    await ended;
  }

  /** After {@link kill}: at the same address, with the same data. */
  async restart(): Promise<void> {
    const { port } = new URL(this.url);
    await this.#run(`127.0.0.1:${port}`);
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Files a recorded flight as an ACARS client does, and returns its id. */
  async fileFlight(flight: "ELY1747" | "ANZ4376"): Promise<string> {
    const example = join(ROOT, "examples");
    const recording = join(example, `flights/${flight}.csv`);
    const options = ["--url", this.url, "--key", this.#find(printed.keyFile), "--flight", recording];
    const { stdout } = await promisify(execFile)(join(example, "file-a-flight"), options);
    return stdout.trim().split("/").at(-1) ?? "";
  }

  /** A call with the airline's ACARS key; what is refused throws. */
  async call(method: string, path: string, body: object): Promise<unknown> {
    const key = (await readFile(this.#find(printed.keyFile), "utf8")).trim();
    const { hostname, host, port } = new URL(this.url);
    const text = JSON.stringify(body);
    const headers = { Host: host, "X-API-Key": key, "Content-Type": "application/json" };
    // `*.localhost` is this machine (RFC 6761), which not every resolver knows.
    const asked = request({ host: "127.0.0.1", port, path: `/api/v1${path}`, method, headers });
    asked.end(text);
    const [response] = await once(asked, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const answer = Buffer.concat(chunks).toString();
    if (response.statusCode >= 300) throw new Error(`${method} ${hostname} ${path}: ${answer}`);
    return answer ? JSON.parse(answer) : undefined;
  }

  async #run(listen: string, ...more: string[]): Promise<void> {
    const options = ["up", "-f", join(ROOT, "examples"), "--listen", listen, "--data", this.directory];
    const child = spawn(BINARY, [...options, ...more], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    let said = "";
    let late: NodeJS.Timeout | undefined;
    await new Promise<void>((ready, failed) => {
      const fail = (why: string) => failed(new Error(`${why}\n${this.log}`));
      child.stdout.on("data", (chunk) => {
        said += chunk;
        this.log += chunk;
        if (said.includes("Ready in")) ready();
      });
      child.stderr.on("data", (chunk) => {
        this.log += chunk;
      });
      child.once("error", (error) => fail(`build it first (cargo build -p albatross): ${error.message}`));
      child.once("exit", (code) => fail(`albatross ended with ${code}`));
      late = setTimeout(() => fail(`not ready after ${READY_MS} ms`), READY_MS);
    }).finally(() => clearTimeout(late));
  }

  #find(what: RegExp): string {
    const found = what.exec(this.log)?.[1];
    if (!found) throw new Error(`the process did not print ${what}:\n${this.log}`);
    return found;
  }
}
