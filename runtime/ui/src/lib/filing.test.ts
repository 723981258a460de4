import { expect, test } from "vitest";
import { filing } from "./filing";

function typed(values: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(values)) form.set(name, value);
  return form;
}

test("times are UTC, and make the block time", () => {
  const { report } = filing(typed({ offBlockAt: "2026-11-20T23:30", onBlockAt: "2026-11-21T00:35" }));
  expect(report.offBlockAt).toBe("2026-11-20T23:30:00.000Z");
  expect(report.onBlockAt).toBe("2026-11-21T00:35:00.000Z");
  expect(report.blockTimeMin).toBe(65);
});

test("an empty field says nothing", () => {
  const { plan, report, remarks } = filing(typed({ flightNumber: " ", offBlockAt: "" }));
  expect([plan.flightNumber, report.offBlockAt, report.blockTimeMin, remarks]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

test("codes are in capitals and numbers are whole", () => {
  const { plan, report } = filing(typed({ departure: "lirf", fuelUsedKg: "4200.6", landingRateFpm: "-142" }));
  expect(plan.departure).toBe("LIRF");
  expect([report.fuelUsedKg, report.landingRateFpm]).toEqual([4_201, -142]);
});
