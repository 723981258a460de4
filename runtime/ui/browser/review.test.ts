import type { Locator, Page } from "playwright-core";
import { expect, test } from "./test";
import { PATIENCE_MS, type Visitor } from "./visitor";

/** The row of one flight in the list. */
function row(page: Page, id: string): Locator {
  return page.locator(`a[href="/pireps/${id}"]`);
}

/** That list changes by itself: a mark on the window would not survive a reload. */
async function secondList(visitor: Visitor): Promise<Page> {
  const page = await visitor.context.newPage();
  await page.goto("/");
  await page.getByText("Live", { exact: true }).waitFor();
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }));
  return page;
}

const neverReloaded = (page: Page) => page.evaluate(() => "neverReloaded" in window);

test("a recorded flight is drawn, accepted, and every open list knows", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ELY1747");
  const ada = await visit();
  await ada.enter();
  const list = await secondList(ada);
  await row(list, id).getByText("Awaiting review").waitFor();

  await row(ada.page, id).click();
  await ada.heading("ELY1747").waitFor();
  await trackIsDrawn(ada.page);
  await ada.page.getByText("2,110").waitFor();

  await ada.button("Accept").click();
  await ada.page
    .getByRole("banner")
    .or(ada.page.getByRole("article"))
    .getByText("Accepted")
    .first()
    .waitFor();
  await row(list, id).getByText("Accepted").waitFor();
  expect(await neverReloaded(list)).toBe(true);
});

/** The line, the land below it, the profile; and a cursor that all of them share. */
async function trackIsDrawn(page: Page): Promise<void> {
  const map = page.getByRole("img", { name: "Map of the flown track" });
  const profile = page.getByRole("slider", { name: "Moment of the flight" });
  const drawn = async (line: Locator) => (await line.getAttribute("d"))?.length ?? 0;
  const patient = { timeout: PATIENCE_MS };
  await expect.poll(() => drawn(map.locator("path.stroke-accent")), patient).toBeGreaterThan(5_000);
  await expect.poll(() => drawn(map.locator("path.fill-land")), patient).toBeGreaterThan(5_000);
  await expect.poll(() => drawn(profile.locator("path.stroke-accent")), patient).toBeGreaterThan(5_000);

  const marks = map.locator("circle");
  const cursors = profile.locator("circle");
  expect([await marks.count(), await cursors.count()]).toEqual([2, 0]);
  await profile.hover();
  await expect.poll(() => marks.count(), patient).toBe(3);
  const before = await profile.getAttribute("aria-valuetext");
  expect(before).toMatch(/^\d\d:\d\dZ, [\d,]+ ft, \d+ kt$/);
  await map.hover();
  await expect.poll(() => cursors.count(), patient).toBe(1);
  await profile.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("PageDown");
  await expect.poll(() => profile.getAttribute("aria-valuetext"), patient).not.toBe(before);
}

test("a rejection needs a reason, which is shown", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  await ada.enter();
  const list = await secondList(ada);
  await ada.page.goto(`/pireps/${id}`);
  await ada.button("Reject…").click();
  await ada.button("Reject").click();
  expect(
    await ada.page.getByLabel("Why?").evaluate((words: HTMLTextAreaElement) => words.validity.valueMissing),
  ).toBe(true);
  await ada.page.getByLabel("Why?").fill("The aircraft is not ours");
  await ada.button("Reject").click();
  await ada.page.getByRole("region", { name: "Verdict" }).getByText("The aircraft is not ours").waitFor();
  await row(list, id).getByText("Rejected").waitFor();
  expect(await neverReloaded(list)).toBe(true);
});

test("a verdict is turned round", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(`/pireps/${id}`);
  await ada.button("Accept").click();
  await ada.button("Reject after all…").click();
  await ada.page.getByLabel("Why?").fill("The track is somebody else's");
  await ada.button("Reject").click();
  const verdict = ada.page.getByRole("region", { name: "Verdict" });
  await verdict.getByText("The track is somebody else's").waitFor();
  await ada.button("Accept after all…").click();
  await ada.page.getByLabel("Why?").fill("It is theirs after all");
  await ada.button("Accept after all").click();
  await verdict.getByText("Accepted").waitFor();
});

test("a verdict by keyboard alone", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  await ada.enter();
  await ada.tabTo(row(ada.page, id));
  await ada.page.keyboard.press("Enter");
  await ada.tabTo(ada.button("Accept"));
  await ada.page.keyboard.press("Enter");
  await ada.page.getByRole("region", { name: "Verdict" }).getByText("Accepted").waitFor();
});

test("the second of two reviewers is told of the first one's verdict", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(`/pireps/${id}`);
  const slower = await ada.context.newPage();
  await slower.goto(`/pireps/${id}`);
  const { promise: faster, resolve: decided } = promised();
  await slower.route("**/accept", async (route) => {
    await faster;
    await route.continue();
  });
  const conflict = slower.waitForResponse("**/accept");
  await slower.getByRole("button", { name: "Accept" }).click();
  await ada.button("Accept").click();
  await ada.page.getByRole("region", { name: "Verdict" }).waitFor();
  decided();
  expect((await conflict).status()).toBe(412);
  await slower.getByRole("alert").getByText("Somebody changed this report").waitFor();
  await slower.getByRole("region", { name: "Verdict" }).getByText("Accepted").waitFor();
  ada.forgive(/status of 412/);
});

/** A promise and what keeps it. */
function promised(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((kept) => {
    resolve = kept;
  });
  return { promise, resolve };
}
