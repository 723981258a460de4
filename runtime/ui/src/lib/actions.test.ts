import { expect, test } from "vitest";
import { PIREP_STATES } from "../api/types";
import { allowed } from "./actions";

const person = (id: string, ...roles: ("Pilot" | "Reviewer")[]) => ({ user: { id, roles } });
const pilot = person("amelia", "Pilot");
const staff = person("ada", "Pilot", "Reviewer");
const report = (state: (typeof PIREP_STATES)[number], kind: "Manual" | "Acars" = "Manual") => ({
  state,
  awaits: state === "Submitted" ? ("staff" as const) : null,
  submittedAt: state === "Draft" ? null : "2026-11-20T11:00:00Z",
  contact: null,
  pilot: { id: "amelia" },
  source: { kind },
  track: { positions: 0 },
});

test.each([
  ["Draft", ["edit", "discard", "comment"]],
  ["InProgress", ["edit", "cancel", "comment"]],
  ["Paused", ["edit", "cancel", "comment"]],
  ["Submitted", ["edit", "withdraw", "cancel", "comment"]],
  ["Accepted", ["comment"]],
  ["Rejected", ["appeal", "edit", "comment"]],
  ["Cancelled", ["restore", "comment"]],
] as const)("what its pilot may do to one that is %s", (state, actions) => {
  expect(allowed(report(state), pilot)).toEqual(actions);
});

test.each([
  ["Draft", ["comment"]],
  ["InProgress", ["edit", "cancel", "comment"]],
  ["Paused", ["edit", "cancel", "comment"]],
  ["Submitted", ["accept", "reject", "ask", "edit", "comment"]],
  ["Accepted", ["reject", "reopen", "edit", "comment"]],
  ["Rejected", ["accept", "reopen", "edit", "comment"]],
  ["Cancelled", ["restore", "edit", "comment"]],
] as const)("what staff may do to one that is %s", (state, actions) => {
  expect(allowed(report(state), staff)).toEqual(actions);
});

test("nobody may do anything to what is somebody else's", () => {
  for (const state of PIREP_STATES) expect(allowed(report(state), person("bob", "Pilot"))).toEqual([]);
});

test("staff do not review a flight of their own", () => {
  const own = person("amelia", "Pilot", "Reviewer");
  for (const state of PIREP_STATES) {
    expect(allowed(report(state), own)).toEqual(allowed(report(state), pilot));
  }
});

test("a question is answered, and asked once", () => {
  const asked = { ...report("Submitted"), awaits: "pilot" as const };
  expect(allowed(asked, pilot)).toContain("answer");
  expect(allowed(asked, staff)).not.toContain("ask");
  expect(allowed(asked, staff)).toContain("accept");
});

test("what fell silent is finished by its pilot or staff", () => {
  for (const who of [pilot, staff]) {
    expect(allowed({ ...report("InProgress"), contact: "silent" }, who)).toContain("finish");
    expect(allowed({ ...report("InProgress"), contact: "lost" }, who)).not.toContain("finish");
  }
});

test("what was measured is not withdrawn", () => {
  expect(allowed(report("Submitted", "Acars"), pilot)).not.toContain("withdraw");
});

test("what was flown or submitted before is not discarded", () => {
  const draft = report("Draft");
  expect(allowed({ ...draft, track: { positions: 1 } }, pilot)).not.toContain("discard");
  expect(allowed({ ...draft, submittedAt: "2026-11-20T11:00:00Z" }, pilot)).not.toContain("discard");
});
