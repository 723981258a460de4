import type { Locator } from "playwright-core";
import type { Me, Pirep } from "../src/api/types";
import { ACTIONS, allowed } from "../src/lib/actions";
import { file, fill, pilot } from "./pilot";
import { expect, test } from "./test";
import { PASSWORD, PATIENCE_MS, type Visitor } from "./visitor";

const PATIENT = { timeout: PATIENCE_MS };

/** What this visitor is offered to do, by its words. */
function offered({ page }: Visitor): Promise<string[]> {
  const bar = page.getByRole("region", { name: "Actions" });
  return bar.getByRole("button").or(bar.getByRole("link")).allTextContents();
}

async function expectOffered(visitor: Visitor, ...words: string[]): Promise<void> {
  await expect.poll(() => offered(visitor), PATIENT).toEqual(words);
}

function history({ page }: Visitor): Locator {
  return page.getByRole("region", { name: "History" }).getByRole("listitem");
}

/** Presses a button that asks for words, says them, and does it. */
async function say(visitor: Visitor, button: string, words: string, done: string): Promise<void> {
  await visitor.button(button).click();
  await visitor.page.getByRole("region", { name: "Actions" }).getByRole("textbox").fill(words);
  await visitor.button(done).click();
}

test("a draft is discarded once that is confirmed", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Save draft");
  const draft = amelia.page.url();
  await expectOffered(amelia, "Go on with this draft", "Discard…", "Comment…");
  await amelia.button("Discard…").click();
  await amelia.page.getByText("nothing brings it back").waitFor();
  await amelia.button("Back").click();
  await amelia.button("Discard…").click();
  await amelia.button("Discard this draft").click();
  await amelia.heading("Logbook").waitFor();
  expect(await amelia.page.getByRole("link", { name: /SKY77/ }).count()).toBe(0);
  await amelia.page.goto(draft);
  await amelia.page.getByText("There is no such flight").waitFor();
  amelia.forgive(/status of 404/);
});

test("a report is changed, withdrawn, and submitted again; it cannot be discarded then", async ({
  visit,
}) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Submit for review");
  await expectOffered(amelia, "Change…", "Withdraw…", "Cancel this flight…", "Comment…");
  await amelia.page.getByRole("link", { name: "Change…" }).click();
  await amelia.heading("Change SKY77").waitFor();
  await fill(amelia, { Arrival: "loww", "On block (UTC)": "2026-11-20T10:10", Remarks: "Windy" });
  await amelia.button("Save changes").click();
  await amelia.heading("SKY77").waitFor();
  const flight = amelia.page.getByRole("article");
  for (const shown of ["LOWW", "1 h 10 min", "“Windy”"]) await flight.getByText(shown).first().waitFor();
  const edited = history(amelia).filter({ hasText: "Edited by Amelia Earhart" });
  await edited.getByText("4 values").click();
  await edited.getByText("LOWI").waitFor();

  await amelia.button("Withdraw…").click();
  await amelia.button("Withdraw this report").click();
  await flight.getByText("Draft", { exact: true }).waitFor();
  await expectOffered(amelia, "Go on with this draft", "Comment…");
  await amelia.page.getByRole("link", { name: "Go on with this draft" }).click();
  await amelia.button("Submit for review").click();
  await flight.getByText("Awaiting review").waitFor();
});

test("staff ask, the pilot answers, staff accept; both read it, and others do not", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Submit for review");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(amelia.page.url());
  await expectOffered(ada, "Accept", "Reject…", "Ask…", "Correct…", "Comment…");
  await say(ada, "Ask…", "Which runway?", "Ask the pilot");
  await expectOffered(ada, "Accept", "Reject…", "Correct…", "Comment…");

  const question = amelia.page.getByRole("region", { name: "Question" });
  await question.getByText("Which runway?").waitFor();
  await amelia.page.getByRole("article").getByText("Awaiting pilot").waitFor();
  await expectOffered(amelia, "Answer…", "Change…", "Withdraw…", "Cancel this flight…", "Comment…");
  await say(amelia, "Answer…", "Runway 26,\nthen taxiway L", "Send the answer");
  await question.waitFor({ state: "detached" });
  await expectOffered(amelia, "Change…", "Withdraw…", "Cancel this flight…", "Comment…");

  await history(ada).getByText("Runway 26").waitFor();
  await say(ada, "Comment…", "Well flown", "Comment");
  await ada.button("Accept").click();
  await ada.page.getByRole("region", { name: "Verdict" }).waitFor();
  await expectOffered(ada, "Comment…", "Reject after all…", "Reopen…", "Correct…");
  await history(amelia).filter({ hasText: "Accepted by Ada Lovelace" }).waitFor();
  await expectOffered(amelia, "Comment…");
  for (const said of [
    /^Asked by Ada Lovelace.*Which runway\?$/s,
    /^Answered by Amelia Earhart.*Runway 26,\nthen taxiway L$/s,
    /^Commented by Ada Lovelace.*Well flown$/s,
  ]) {
    expect(await history(amelia).filter({ hasText: said }).count(), `${said}`).toBe(1);
  }
  await amelia.expectAccessible();

  const bob = await visit();
  const email = "bob@skyways.example";
  await bob.airline.call("POST", "/users", { email, displayName: "Bob", password: PASSWORD });
  await bob.page.goto(amelia.page.url());
  await bob.signIn(email);
  await history(bob).filter({ hasText: "Answered" }).waitFor();
  expect(await bob.page.getByRole("article").textContent()).not.toMatch(/runway|well flown/i);
  await expectOffered(bob);
  bob.forgive(/status of 401/);
});

test("a rejection is appealed against, and a verdict is reopened", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Submit for review");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(amelia.page.url());
  await say(ada, "Reject…", "Wrong airport", "Reject");
  await expectOffered(ada, "Accept after all…", "Reopen…", "Correct…", "Comment…");

  await expectOffered(amelia, "Appeal…", "Change…", "Comment…");
  await amelia.button("Appeal…").click();
  await amelia.button("Appeal").click();
  const words = amelia.page.getByLabel("What should staff look at again?");
  expect(await words.evaluate((field: HTMLTextAreaElement) => field.validity.valueMissing)).toBe(true);
  await words.fill(" ");
  await amelia.button("Appeal").click();
  await amelia.page.getByRole("alert").waitFor();
  expect(await words.getAttribute("aria-invalid")).toBe("true");
  amelia.forgive(/status of 422/);
  await words.fill("The NOTAM says so");
  await amelia.button("Appeal").click();
  await amelia.page.getByRole("article").getByText("Awaiting review").waitFor();

  await history(ada).getByText("The NOTAM says so").waitFor();
  await ada.button("Accept").click();
  await say(ada, "Reopen…", "Accepted by mistake", "Reopen");
  await history(amelia).getByText("Accepted by mistake").waitFor();
  await amelia.page.getByRole("article").getByText("Awaiting review").waitFor();
  await expectOffered(ada, "Accept", "Reject…", "Ask…", "Correct…", "Comment…");
});

test("what was measured is changed by staff only, who say why", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(`/pireps/${id}`);
  const landing = ada.page
    .getByRole("region", { name: "Flight data" })
    .locator("div", { hasText: /^Landing\d/ });
  const landed = await landing.textContent();
  await ada.page.getByRole("link", { name: "Correct…" }).click();
  await fill(ada, { "Landing rate (fpm)": "-321" });
  await ada.button("Save changes").click();
  const why = ada.page.getByLabel("Why?");
  expect(await why.evaluate((field: HTMLTextAreaElement) => field.validity.valueMissing)).toBe(true);
  await why.fill("As the log says");
  await ada.button("Save changes").click();
  await ada.heading("ANZ4376").waitFor();
  await ada.page.getByText("-321 fpm").first().waitFor();
  const edited = history(ada).filter({ hasText: "As the log says" });
  // Nothing else was touched: neither the seconds of times nor what the form does not show.
  await edited.getByText("1 value", { exact: true }).waitFor();
  expect(await landing.textContent()).toBe(landed);
});

test("of two changes neither is lost", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Submit for review");
  const flight = amelia.page.url();
  await amelia.page.getByRole("link", { name: "Change…" }).click();
  await amelia.heading("Change SKY77").waitFor();
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(`${flight}/edit`);
  await fill(ada, { Departure: "eddf", Route: "dct", "Why? The pilot will read this.": "As flown" });
  await ada.button("Save changes").click();
  await ada.heading("SKY77").waitFor();

  await fill(amelia, { Route: "t161 abg", Remarks: "Windy" });
  await amelia.button("Save changes").click();
  await amelia.page.getByRole("alert").getByText("Somebody changed this report").waitFor();
  await amelia.page.getByText("Somebody else wrote: DCT").waitFor();
  expect(await amelia.page.getByLabel("Departure").inputValue()).toBe("EDDF");
  await amelia.expectAccessible();
  amelia.forgive(/status of 412/);
  await amelia.button("Save changes").click();
  await amelia.heading("SKY77").waitFor();
  const shown = amelia.page.getByRole("article");
  for (const kept of ["EDDF", "T161 ABG", "“Windy”"]) await shown.getByText(kept).first().waitFor();
});

test("a comment whose answer was lost is said once, and may be said again later", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Submit for review");
  const said = history(amelia).filter({ hasText: "Windy" });
  await amelia.page.route(
    "**/comments",
    async (route) => {
      // `*.localhost` is this machine, which not every resolver knows.
      const url = new URL(route.request().url());
      const headers = { ...route.request().headers(), host: url.host };
      url.hostname = "127.0.0.1";
      const said = await route.fetch({ url: url.href, headers });
      expect(said.status()).toBe(200);
      await route.abort();
    },
    { times: 1 },
  );
  await say(amelia, "Comment…", "Windy", "Comment");
  await amelia.page.getByRole("alert").getByText("No connection").waitFor();
  amelia.forgive(/ERR_FAILED/);
  await amelia.button("Comment").click();
  await amelia.page.getByText("Your comment stands in the history.").waitFor();
  await expect.poll(() => said.count(), PATIENT).toBe(1);
  await say(amelia, "Comment…", "Windy", "Comment");
  await expect.poll(() => said.count(), PATIENT).toBe(2);
});

test("words are not taken from under the hands of whoever writes them, unless they come too late", async ({
  visit,
}) => {
  const amelia = await pilot(await visit());
  await file(amelia, "Submit for review");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(amelia.page.url());
  await ada.button("Ask…").click();
  await ada.page.getByLabel("What do you want to know").fill("Which runway?");
  await say(amelia, "Comment…", "Runway 26, by the way", "Comment");
  await history(ada).getByText("Runway 26").waitFor();
  expect(await ada.page.getByLabel("What do you want to know").inputValue()).toBe("Which runway?");
  await amelia.button("Withdraw…").click();
  await amelia.button("Withdraw this report").click();
  await ada.page.getByRole("alert").getByText("Somebody changed this report").waitFor();
  await expectOffered(ada, "Comment…");
});

test("a question is answered by keyboard alone", async ({ visit }) => {
  const amelia = await pilot(await visit());
  const { keyboard } = amelia.page;
  await file(amelia, "Submit for review");
  const ada = await visit();
  await ada.enter();
  await ada.page.goto(amelia.page.url());
  await say(ada, "Ask…", "Which runway?", "Ask the pilot");
  await amelia.tabTo(amelia.button("Answer…"));
  await keyboard.press("Enter");
  await keyboard.type("Let me see");
  await keyboard.press("Escape");
  const focused = () => amelia.page.evaluate(() => document.activeElement?.textContent);
  await expect.poll(focused, PATIENT).toBe("Answer…");
  await keyboard.press("Enter");
  await keyboard.type("Runway 26");
  await keyboard.press("Control+Enter");
  await history(amelia).getByText("Runway 26").waitFor();
  // On at what is possible next, not at the top of the page.
  await keyboard.press("Tab");
  await expect.poll(focused, PATIENT).toBe("Change…");
});

type Ask = { path: string; method?: string; body?: object; version?: number };

/** A call as this visitor's session. */
function call<T>({ page }: Visitor, { path, method = "GET", body, version }: Ask): Promise<T> {
  const headers = {
    ...(body ? { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() } : {}),
    ...(version ? { "If-Match": `"${version}"` } : {}),
  };
  const options = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
  return page.evaluate(async ({ path, options }) => (await fetch(`/api/v1${path}`, options)).json(), {
    path,
    options,
  });
}

test("the page knows what the server allows", async ({ visit }) => {
  const amelia = await pilot(await visit());
  const ada = await visit();
  await ada.enter();
  const people = [
    { visitor: amelia, me: await call<Me>(amelia, { path: "/me" }) },
    { visitor: ada, me: await call<Me>(ada, { path: "/me" }) },
  ];
  // What it says to a thing that is not possible; that a draft is its pilot's is the page's own manners.
  const agreed = async (pirep: Pirep) => {
    const path = `/pireps/${pirep.id}/restore`;
    for (const { visitor, me } of people) {
      const refused = await call<{ allowed: string[] }>(visitor, { path, method: "POST", body: {} });
      const others = pirep.state === "Draft" && visitor === ada ? ["edit"] : [];
      const expected = ACTIONS.filter((name) => refused.allowed.includes(name) && !others.includes(name));
      expect(allowed(pirep, me, false), `${pirep.state} ${me.user.displayName}`).toEqual(expected);
    }
    return pirep;
  };
  const flight = (body: object) =>
    call<Pirep>(amelia, { path: `/pireps/${crypto.randomUUID()}`, method: "PUT", body });
  const act = async (visitor: Visitor, { id, version }: Pirep, verb: string, body: object) =>
    agreed(await call<Pirep>(visitor, { path: `/pireps/${id}/${verb}`, method: "POST", body, version }));
  const plan = { flightNumber: "SKY77", departure: "EDDM", arrival: "LOWI", aircraftType: "A20N" };

  let pirep = await agreed(await flight({ intent: "draft", plan }));
  pirep = await act(amelia, pirep, "submit", { report: { blockTimeMin: 65, flightTimeMin: 50 } });
  pirep = await act(ada, pirep, "ask", { question: "Why?" });
  pirep = await act(amelia, pirep, "answer", { answer: "So." });
  pirep = await act(ada, pirep, "reject", { reason: "Wrong airport" });
  pirep = await act(amelia, pirep, "appeal", { comment: "Look again" });
  pirep = await act(ada, pirep, "accept", {});
  pirep = await act(ada, pirep, "reopen", { reason: "A slip" });
  await act(amelia, pirep, "withdraw", {});
  pirep = await agreed(await flight({ intent: "prefile", source: { kind: "Acars" }, plan }));
  pirep = await act(amelia, pirep, "pause", {});
  await act(amelia, pirep, "submit", { report: { blockTimeMin: 65, flightTimeMin: 50 } });
  for (const { visitor } of people) visitor.forgive(/status of 409/);
});

/** Waits until queries show it. */
function letStaffReviewTheirOwn({ page }: Visitor): Promise<boolean> {
  return page.evaluate(async () => {
    const path = "/api/v1/settings";
    const seen = await fetch(path);
    const headers = { "Content-Type": "application/json", "If-Match": seen.headers.get("ETag") ?? "" };
    const body = JSON.stringify({ ...(await seen.json()), selfReview: true });
    const written = await fetch(path, { method: "PUT", headers, body });
    const position = written.headers.get("Albatross-Position") ?? "";
    const shown = await fetch(path, { headers: { "Albatross-Position": position } });
    return (await shown.json()).selfReview;
  });
}

test("staff decide a flight of their own where the settings let them", async ({ visit }) => {
  const ada = await visit();
  await ada.enter();
  await file(ada, "Submit for review");
  const refused = ada.page.getByText("Somebody else of the staff decides it");
  await refused.waitFor();
  await expectOffered(ada, "Change…", "Withdraw…", "Cancel this flight…", "Comment…");
  expect(await letStaffReviewTheirOwn(ada)).toBe(true);
  await ada.page.reload();
  await ada.button("Accept").click();
  await ada.page.getByRole("article").getByText("Accepted", { exact: true }).first().waitFor();
  expect(await refused.count()).toBe(0);
});
