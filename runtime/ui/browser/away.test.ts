import { expect, test } from "./test";

const GONE = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/;

test("without a server the old list stays, with the cause and a way to retry", async ({ airline, visit }) => {
  const ada = await visit();
  await ada.enter();
  const rows = ada.page.locator('a[href^="/pireps/"]');
  await rows.first().waitFor();
  const shown = await rows.count();
  await airline.kill();
  await ada.page.getByRole("alert").getByText("No connection").waitFor({ timeout: 60_000 });
  expect(await rows.count()).toBe(shown);

  await airline.restart();
  await ada.button("Retry").click();
  await ada.page.getByRole("alert").waitFor({ state: "detached" });
  await ada.page.getByText("Live", { exact: true }).waitFor();
  ada.forgive(GONE);
});
