import { expect, test } from "vitest";
import { fieldName, fieldValue, words } from "./words";

test("names become words", () => {
  expect(words("FlightPaused")).toBe("Flight paused");
  expect(fieldName("/report/blockTimeMin")).toBe("Block time");
  expect(fieldName("/plan/plannedOffBlockAt")).toBe("Planned off block");
  expect(fieldName("/plan/registration")).toBe("Registration");
});

test("values carry their unit", () => {
  expect(fieldValue("/report/blockTimeMin", 175)).toBe("2 h 55 min");
  expect(fieldValue("/report/distanceNmi", 1012.16)).toBe("1,012 nmi");
  expect(fieldValue("/report/offBlockAt", "2019-11-03T09:28:10Z")).toBe("03 Nov 2019, 09:28Z");
  expect(fieldValue("/plan/registration", null)).toBe("–");
  expect(fieldValue("/report/score", 97)).toBe("97");
});
