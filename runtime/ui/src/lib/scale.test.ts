import { expect, test } from "vitest";
import { spread } from "./geo";
import { linear, linePath, ticks } from "./scale";

test("an axis has round values, and not too many", () => {
  expect(ticks(0, 37_000, 4, [5_000, 10_000, 20_000])).toEqual([0, 10_000, 20_000, 30_000]);
  expect(ticks(130, 480, 5, [50, 100])).toEqual([200, 300, 400]);
});

test("an axis has not too many values, however far apart its ends are", () => {
  expect(ticks(0, 1_000, 3, [1, 10])).toEqual([0, 640]);
  const [first, last] = [Date.UTC(1970, 0, 1), Date.UTC(9999, 11, 31)];
  expect(ticks(first, last, 12, [60_000, 720 * 60_000]).length).toBeLessThanOrEqual(12);
  expect(ticks(-1, 1, 0, [1])).toEqual([0]);
});

test("values are mapped linearly, also upside down", () => {
  expect(linear(0, 10, 100, 0)(2.5)).toBe(75);
  expect(linear(5, 5, 0, 100)(5)).toBe(0);
});

test("a missing sample interrupts the line", () => {
  expect(linePath([[0, 1], [2, 3], null, [4, 5]])).toBe("M0.0,1.0L2.0,3.0M4.0,5.0");
});

test("a long track is thinned evenly and keeps its ends", () => {
  expect(spread(5, 10)).toEqual([0, 1, 2, 3, 4]);
  expect(spread(10, 4)).toEqual([0, 3, 6, 9]);
  expect(spread(11, 4)).toEqual([0, 3, 6, 9, 10]);
  expect(spread(0, 4)).toEqual([]);
});
