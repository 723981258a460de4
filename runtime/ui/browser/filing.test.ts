import { expect, test } from "./test";

const FLIGHT = { "Flight number": "sky77", "Aircraft type": "a20n", Departure: "eddm", Arrival: "lowi" };

test("a flight filed by hand awaits review", async ({ visit }) => {
  const ada = await visit();
  await ada.enter();
  await ada.page.getByRole("link", { name: "File", exact: true }).click();
  for (const [label, value] of Object.entries(FLIGHT)) await ada.page.getByLabel(label).fill(value);
  await ada.page.getByLabel("Off block (UTC)").fill("2026-11-20T09:00");
  await ada.page.getByLabel("On block (UTC)").fill("2026-11-20T10:05");
  await ada.button("Submit for review").click();
  await ada.heading("SKY77").waitFor();
  const flight = await ada.page.getByRole("article").textContent();
  for (const shown of ["EDDM", "LOWI", "A20N", "09:00Z", "10:05Z", "1 h 05 min", "Awaiting review"]) {
    expect(flight).toContain(shown);
  }
});
