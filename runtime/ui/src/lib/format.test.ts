import { expect, test } from "vitest";
import { clock, dateTime, duration, orDash, quantity } from "./format";

test("times are UTC and say so", () => {
  expect(dateTime("2019-11-03T09:28:10Z")).toBe("03 Nov 2019, 09:28Z");
  expect(clock("2019-11-03T23:05:00+02:00")).toBe("21:05Z");
  expect(dateTime(null)).toBe("–");
});

test("durations are hours and minutes", () => {
  expect(duration(352)).toBe("5 h 52 min");
  expect(duration(61)).toBe("1 h 01 min");
  expect(duration(45)).toBe("45 min");
  expect(duration(undefined)).toBe("–");
});

test("numbers carry their unit", () => {
  expect(quantity(35000, "ft")).toBe("35,000 ft");
  expect(quantity(0, "kg")).toBe("0 kg");
  expect(quantity(null, "kg")).toBe("–");
});

test("blank text is a dash", () => {
  expect(orDash("  ")).toBe("–");
  expect(orDash("LIRF")).toBe("LIRF");
});
