import { FLIGHT, fill, pilot } from "./pilot";
import { expect, test } from "./test";
import type { Visitor } from "./visitor";

test("a flight filed by hand, rejected by the staff: its pilot reads why at once", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await amelia.page.getByRole("link", { name: "File", exact: true }).click();
  await fill(amelia, FLIGHT);
  await amelia.button("Submit for review").click();
  await amelia.heading("SKY77").waitFor();
  const flight = await amelia.page.getByRole("article").textContent();
  for (const shown of ["EDDM", "LOWI", "A20N", "09:00Z", "10:05Z", "1 h 05 min", "Awaiting review"]) {
    expect(flight).toContain(shown);
  }
  expect(await amelia.button("Accept").count()).toBe(0);

  const ada = await visit();
  await ada.enter();
  await ada.page.goto(amelia.page.url());
  await ada.button("Reject…").click();
  await ada.page.getByLabel("Why?").fill("We do not fly to Innsbruck");
  await ada.button("Reject").click();
  await amelia.page
    .getByRole("region", { name: "Verdict" })
    .getByText("We do not fly to Innsbruck")
    .waitFor();
});

test("a draft is saved, gone on with, submitted, cancelled and restored", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await amelia.page.goto("/file");
  await fill(amelia, { "Flight number": "sky78", Departure: "eddm" });
  await amelia.button("Save draft").click();
  await amelia.heading("SKY78").waitFor();
  await amelia.page.getByRole("link", { name: "Go on with this draft" }).click();
  expect(await amelia.page.getByLabel("Departure").inputValue()).toBe("EDDM");
  await fill(amelia, { ...FLIGHT, "Flight number": "sky79" });
  await amelia.button("Submit for review").click();
  await amelia.heading("SKY79").waitFor();
  const flight = amelia.page.getByRole("article");
  await flight.getByText("Awaiting review").waitFor();
  await amelia.button("Cancel this flight…").click();
  await amelia.button("Cancel this flight").click();
  await flight.getByText("Cancelled", { exact: true }).first().waitFor();
  await amelia.button("Restore this flight").click();
  await flight.getByText("Awaiting review").waitFor();
});

test("what cannot be filed is refused beside its field", async ({ visit }) => {
  const amelia = await pilot(await visit());
  await amelia.page.goto("/file");
  await fill(amelia, { ...FLIGHT, Departure: "1?", "On block (UTC)": "2026-11-20T08:00" });
  await amelia.button("Submit for review").click();
  await amelia.page.getByRole("alert").waitFor();
  const field = amelia.page.getByLabel("Departure");
  expect(await field.getAttribute("aria-invalid")).toBe("true");
  await amelia.expectAccessible();
  await fill(amelia, FLIGHT);
  await amelia.button("Submit for review").click();
  await amelia.heading("SKY77").waitFor();
  amelia.forgive(/status of 422/);
});

/** Day and time as the field of an American browser takes them; the year has room for more digits. */
async function typeTime({ page }: Visitor, day: string, time: string): Promise<void> {
  await page.keyboard.type(day);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.type(time);
}

test("a flight is filed by keyboard alone", async ({ visit }) => {
  const amelia = await pilot(await visit());
  const { keyboard } = amelia.page;
  await amelia.tabTo(amelia.page.getByRole("link", { name: "File", exact: true }));
  await keyboard.press("Enter");
  for (const label of ["Flight number", "Aircraft type", "Departure", "Arrival"] as const) {
    await amelia.tabTo(amelia.page.getByLabel(label, { exact: true }));
    await keyboard.type(FLIGHT[label]);
  }
  await amelia.tabTo(amelia.page.getByLabel("Off block (UTC)"));
  await typeTime(amelia, "11202026", "0900AM");
  await amelia.tabTo(amelia.page.getByLabel("On block (UTC)"));
  await typeTime(amelia, "11202026", "1005AM");
  await amelia.tabTo(amelia.button("Submit for review"));
  await keyboard.press("Enter");
  await amelia.heading("SKY77").waitFor();
  await amelia.page.getByText("1 h 05 min").first().waitFor();
});
