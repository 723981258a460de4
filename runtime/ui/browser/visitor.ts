/** A person with a browser of their own, who remembers every complaint of it. */
import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { expect } from "vitest";
import type { Airline } from "./airline";

export const PASSWORD = "four words make one";
/** What a locator waits at the most; the machine may be busy. */
export const PATIENCE_MS = 90_000;

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
// Without these it looks for servers of its own at every start.
const QUIET = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function executable(): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found) throw new Error("Chromium is missing: tests/cluster/install-packages browser");
  return found;
}

export class Visitor {
  /** Messages on the console, failures of scripts, requests to another site. */
  readonly complaints: string[] = [];

  private constructor(
    readonly airline: Airline,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async open(airline: Airline, options: BrowserContextOptions = {}): Promise<Visitor> {
    const browser = await chromium.launch({ executablePath: executable(), args: QUIET });
    const context = await browser.newContext({ baseURL: airline.url, locale: "en-US", ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const visitor = new Visitor(airline, browser, context, await context.newPage());
    context.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) {
        visitor.complaints.push(`${message.text()} ${message.location().url}`);
      }
    });
    context.on("weberror", (error) => visitor.complaints.push(String(error.error())));
    context.on("request", (request) => {
      const own = [airline.url, "data:", "blob:"].some((start) => request.url().startsWith(start));
      if (!own) visitor.complaints.push(`a request to another site: ${request.url()}`);
    });
    return visitor;
  }

  /** The administrator's way in: the one-time link, and a first password. */
  async enter(): Promise<void> {
    await this.page.goto(this.airline.link);
    await this.button("Continue").click();
    await this.page.getByLabel("New password").fill(PASSWORD);
    await this.button("Save password").click();
    await this.heading("Logbook").waitFor();
  }

  async signIn(email: string, password = PASSWORD): Promise<void> {
    await this.page.getByLabel("E-mail").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.button("Sign in").click();
  }

  async signOut(): Promise<void> {
    await this.button("Sign out").click();
    await this.button("Sign in").waitFor();
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  heading(name: string): Locator {
    return this.page.getByRole("heading", { name, exact: true });
  }

  /** Presses Tab until that has the focus, as somebody without a pointer does. */
  async tabTo(goal: Locator): Promise<void> {
    await goal.waitFor();
    for (let steps = 0; steps < 100; steps += 1) {
      if (await goal.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`the keyboard does not reach ${goal}`);
  }

  /** No serious violation of the accessibility rules that a program can check. */
  async expectAccessible(page = this.page): Promise<void> {
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
      return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n")}`);
    });
    expect(found, page.url()).toEqual([]);
  }

  /** Nothing sticks out of the side of the screen, or of a box that cuts it off. */
  async expectFits(): Promise<void> {
    const tooWide = () =>
      this.page.evaluate(() => {
        const isCutOff = (element: Element) => {
          const { overflowX, textOverflow } = getComputedStyle(element);
          const cuts =
            element === document.documentElement || (overflowX === "hidden" && textOverflow !== "ellipsis");
          return cuts && element.clientWidth > 1 && element.scrollWidth > element.clientWidth;
        };
        return [...document.querySelectorAll("*")]
          .filter(isCutOff)
          .map((element) => element.outerHTML.slice(0, 200));
      });
    await expect.poll(tooWide, { message: this.page.url(), timeout: PATIENCE_MS }).toEqual([]);
  }

  /** A finger hits every control: 44 px at least in height. */
  async expectTouchable(): Promise<void> {
    const small = await this.page.evaluate(() =>
      [...document.querySelectorAll("button, input:not([hidden]), nav a, li > a, summary")]
        .map((element) => ({
          height: element.getBoundingClientRect().height,
          html: element.outerHTML.slice(0, 200),
        }))
        .filter(({ height }) => height > 0 && height < 44),
    );
    expect(small, this.page.url()).toEqual([]);
  }

  /** What every open page shows, for those who look into a failure. */
  async describe(): Promise<string> {
    const pages = this.context.pages().map(async (page) => {
      const shown = await page.locator("body").ariaSnapshot().catch(String);
      return `${page.url()} showed:\n${shown}`;
    });
    return [...(await Promise.all(pages)), ...this.complaints].join("\n");
  }

  /** Takes back complaints that a test provoked, such as a refused password. */
  forgive(what: RegExp): void {
    const kept = this.complaints.filter((complaint) => !what.test(complaint));
    this.complaints.splice(0, this.complaints.length, ...kept);
  }
}

type Axe = { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
