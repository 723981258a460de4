/** A pilot, who is not of the staff, and a flight to type in. */
import { PASSWORD, type Visitor } from "./visitor";

const PILOT = { email: "amelia@skyways.example", displayName: "Amelia Earhart", password: PASSWORD };

export const FLIGHT = {
  "Flight number": "sky77",
  "Aircraft type": "a20n",
  Departure: "eddm",
  Arrival: "lowi",
  "Off block (UTC)": "2026-11-20T09:00",
  "On block (UTC)": "2026-11-20T10:05",
};

/** Registered and signed in. */
export async function pilot(visitor: Visitor): Promise<Visitor> {
  await visitor.airline.call("POST", "/users", PILOT);
  await visitor.page.goto("/");
  await visitor.signIn(PILOT.email);
  await visitor.heading("Logbook").waitFor();
  visitor.forgive(/status of 401/);
  return visitor;
}

export async function fill(visitor: Visitor, fields: Record<string, string>): Promise<void> {
  for (const [label, value] of Object.entries(fields)) {
    await visitor.page.getByLabel(label, { exact: true }).fill(value);
  }
}

/** Files {@link FLIGHT} by the form; the visitor stands before it then. */
export async function file(visitor: Visitor, how: "Submit for review" | "Save draft"): Promise<void> {
  await visitor.page.goto("/file");
  await fill(visitor, FLIGHT);
  await visitor.button(how).click();
  await visitor.heading("SKY77").waitFor();
}
