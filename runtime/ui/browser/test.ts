/** Each test has an airline and browsers of its own; a page that complains fails the test. */
import type { BrowserContextOptions } from "playwright-core";
import { test as base, expect } from "vitest";
import { Airline } from "./airline";
import { Visitor } from "./visitor";

export { expect };

export const test = base
  .extend("airline", async ({ task }, { onCleanup }) => {
    const airline = await Airline.start();
    onCleanup(() => {
      if (task.result?.state === "fail") console.error(`albatross said:\n${airline.log}`);
      return airline.remove();
    });
    return airline;
  })
  .extend("visit", async ({ airline, onTestFinished, task }, { onCleanup }) => {
    const visitors: Visitor[] = [];
    onCleanup(async () => {
      for (const visitor of visitors) {
        if (task.result?.state === "fail") console.error(await visitor.describe());
        await visitor.browser.close();
      }
    });
    // Not in the clean-up, where a failure keeps the airline from being cleaned up.
    onTestFinished(() => expect(visitors.flatMap(({ complaints }) => complaints)).toEqual([]));
    return async (options: BrowserContextOptions = {}) => {
      const visitor = await Visitor.open(airline, options);
      visitors.push(visitor);
      return visitor;
    };
  });
