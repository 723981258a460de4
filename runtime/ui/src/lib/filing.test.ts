import { expect, test } from "vitest";
import type { Pirep } from "../api/types";
import { changes, filing, rebased, shown, typed, whole } from "./filing";

function form(values: Record<string, string>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) data.set(name, value);
  return data;
}

test("times are UTC, and make the block time", () => {
  const { report } = filing(form({ offBlockAt: "2026-11-20T23:30", onBlockAt: "2026-11-21T00:35" }));
  expect(report.offBlockAt).toBe("2026-11-20T23:30:00.000Z");
  expect(report.onBlockAt).toBe("2026-11-21T00:35:00.000Z");
  expect(report.blockTimeMin).toBe(65);
});

test("an empty field says nothing", () => {
  const { plan, report, remarks } = filing(form({ flightNumber: " ", offBlockAt: "" }));
  expect([plan.flightNumber, report.offBlockAt, report.blockTimeMin, remarks]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

test("codes are in capitals and numbers are whole", () => {
  const { plan, report } = filing(form({ departure: "lirf", fuelUsedKg: "4200.6", landingRateFpm: "-142" }));
  expect(plan.departure).toBe("LIRF");
  expect([report.fuelUsedKg, report.landingRateFpm]).toEqual([4_201, -142]);
});

const PIREP = {
  plan: { flightNumber: "SKY77", departure: "EDDM", arrival: "LOWI", aircraftType: "A20N", route: "dct" },
  report: { offBlockAt: "2026-11-20T09:00:41Z", onBlockAt: "2026-11-20T10:05:12Z", blockTimeMin: 64 },
  remarks: "Windy",
} as Pirep;

test("what was merely shown is not changed", () => {
  const before = shown(PIREP);
  expect(before.offBlockAt).toBe("2026-11-20T09:00");
  expect(changes(before, typed(form(before), before))).toEqual({ plan: {}, report: {} });
});

test("a change holds what differs, and null for what was emptied", () => {
  const before = shown(PIREP);
  const after = typed(form({ arrival: "loww", onBlockAt: "2026-11-20T10:10", remarks: " " }), before);
  expect(changes(before, after)).toEqual({
    plan: { arrival: "LOWW" },
    report: { onBlockAt: "2026-11-20T10:10:00.000Z", blockTimeMin: 70 },
    remarks: null,
  });
});

test("a draft keeps what the form does not ask for, and loses what was emptied", () => {
  const filed = { takeOffAt: "2026-11-20T09:11:02Z", distanceNmi: 61, gForce: 1.3, fuelUsedKg: 900 };
  const draft = { ...PIREP, report: { ...PIREP.report, ...filed } } as Pirep;
  const empty = whole(draft, form({ ...shown(draft), fuelUsedKg: "", network: "VATSIM" }));
  expect(empty.report).toEqual({ ...draft.report, fuelUsedKg: null });
  expect(empty.plan).toEqual({ ...draft.plan, network: "VATSIM" });
  const later = whole(draft, form({ ...shown(draft), onBlockAt: "2026-11-20T10:10" }));
  const times = { onBlockAt: "2026-11-20T10:10:00.000Z", blockTimeMin: 70 };
  expect(later.report).toEqual({ ...draft.report, ...times });
  // A block time that came without times is not asked for either.
  const untimed = { ...PIREP, report: { blockTimeMin: 64 } } as Pirep;
  expect(whole(untimed, form(shown(untimed))).report).toEqual({ blockTimeMin: 64 });
  expect(whole(undefined, form({ departure: "lirf", remarks: " " }))).toEqual({
    plan: { departure: "LIRF" },
    report: {},
    remarks: "",
  });
});

test("what somebody else wrote meanwhile stays, and a clash is named", () => {
  const before = shown(PIREP);
  const mine = { ...before, arrival: "LOWW", remarks: "Calm" };
  const theirs = { ...before, departure: "EDDF", remarks: "Stormy" };
  const { values, clashes } = rebased(before, mine, theirs);
  expect(values).toEqual({ ...before, departure: "EDDF", arrival: "LOWW", remarks: "Calm" });
  expect(clashes).toEqual({ remarks: "Stormy" });
});
