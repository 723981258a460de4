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
  expect(allowed(report(state), pilot, false)).toEqual(actions);
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
  expect(allowed(report(state), staff, false)).toEqual(actions);
});

test("nobody may do anything to what is somebody else's", () => {
  for (const state of PIREP_STATES) expect(allowed(report(state), person("bob", "Pilot"), false)).toEqual([]);
});

test("staff do not review a flight of their own", () => {
  const own = person("amelia", "Pilot", "Reviewer");
  for (const state of PIREP_STATES) {
    expect(allowed(report(state), own, false)).toEqual(allowed(report(state), pilot, false));
  }
});

test("where staff review their own, they may do all that owner and staff may", () => {
  const own = person("amelia", "Pilot", "Reviewer");
  for (const state of PIREP_STATES) {
    const [here, others] = [allowed(report(state), own, true), allowed(report(state), staff, false)];
    expect(here.toSorted()).toEqual(
      [...new Set([...others, ...allowed(report(state), pilot, true)])].toSorted(),
    );
    expect(allowed(report(state), person("bob", "Pilot"), true)).toEqual([]);
  }
});

test("a question is answered, and asked once", () => {
  const asked = { ...report("Submitted"), awaits: "pilot" as const };
  expect(allowed(asked, pilot, false)).toContain("answer");
  expect(allowed(asked, staff, false)).not.toContain("ask");
  expect(allowed(asked, staff, false)).toContain("accept");
});

test("what fell silent is finished by its pilot or staff", () => {
  for (const who of [pilot, staff]) {
    expect(allowed({ ...report("InProgress"), contact: "silent" }, who, false)).toContain("finish");
    expect(allowed({ ...report("InProgress"), contact: "lost" }, who, false)).not.toContain("finish");
  }
});

test("what was measured is not withdrawn", () => {
  expect(allowed(report("Submitted", "Acars"), pilot, false)).not.toContain("withdraw");
});

test("what was flown or submitted before is not discarded", () => {
  const draft = report("Draft");
  expect(allowed({ ...draft, track: { positions: 1 } }, pilot, false)).not.toContain("discard");
  expect(allowed({ ...draft, submittedAt: "2026-11-20T11:00:00Z" }, pilot, false)).not.toContain("discard");
});
