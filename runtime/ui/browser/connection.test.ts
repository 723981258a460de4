import type { Page } from "playwright-core";
import { expect, test } from "./test";

const GONE = /ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)/;
/** A browser has six connections to a server over HTTP/1.1. */
const MORE_TABS_THAN_CONNECTIONS = 8;

const live = (page: Page) => page.getByText("Live", { exact: true }).waitFor();

test("without a server the old list stays, with the cause, until it is back", async ({ airline, visit }) => {
  const ada = await visit();
  await ada.enter();
  await live(ada.page);
  const rows = ada.page.locator('a[href^="/pireps/"]');
  await rows.first().waitFor();
  const shown = await rows.count();
  expect(shown).toBeGreaterThan(0);
  await airline.kill();
  await ada.page.getByText("Offline", { exact: true }).waitFor();
  await ada.page.getByRole("alert").getByText("No connection").waitFor();
  expect(await rows.count()).toBe(shown);
  await ada.expectAccessible();

  await airline.restart();
  await ada.page.getByRole("alert").waitFor({ state: "detached" });
  await live(ada.page);
  ada.forgive(GONE);
});

test("what could not be read is asked for again by Retry", async ({ visit }) => {
  const ada = await visit();
  await ada.enter();
  // Only the list fails, and the stream does not end as it may after a new password: nothing but the button asks again.
  await ada.page.route("**/api/v1/pireps?*", (route) => route.abort("connectionrefused"));
  await ada.page.reload();
  await live(ada.page);
  const notice = ada.page.getByRole("alert").filter({ hasText: "No connection" });
  await notice.waitFor();
  await ada.page.unroute("**/api/v1/pireps?*");
  await ada.button("Retry").click();
  await notice.waitFor({ state: "detached" });
  await ada.page.locator('a[href^="/pireps/"]').first().waitFor();
  ada.forgive(GONE);
});

test("a page that was refused its stream comes back to life", async ({ visit }) => {
  const ada = await visit();
  // What a proxy answers while the server behind it restarts; a browser gives up on that.
  await ada.page.route("**/api/v1/stream", (route) => route.fulfill({ status: 502 }), { times: 1 });
  await ada.enter();
  await ada.page.getByText("Offline", { exact: true }).waitFor();
  await live(ada.page);
  ada.forgive(/status of 502/);
});

test("many tabs share one stream, also when the first one closes", async ({ airline, visit }) => {
  const ada = await visit();
  await ada.enter();
  const tabs = [ada.page];
  while (tabs.length < MORE_TABS_THAN_CONNECTIONS) {
    const tab = await ada.context.newPage();
    await tab.goto("/");
    await live(tab);
    tabs.push(tab);
  }
  const first = await airline.fileFlight("ANZ4376");
  for (const tab of tabs) await tab.locator(`a[href="/pireps/${first}"]`).waitFor();

  await tabs.shift()?.close();
  for (const tab of tabs) await live(tab);
  const second = await airline.fileFlight("ANZ4376");
  for (const tab of tabs) await tab.locator(`a[href="/pireps/${second}"]`).waitFor();
});
