/** Axes: where a value lies, and which round values are worth a line. */

/** The multiples of the first step that needs at most `limit` of them, from `min` to `max`. Larger ones double the last. */
export function ticks(min: number, max: number, limit: number, steps: readonly number[]): number[] {
  const count = (step: number) => Math.floor(max / step) - Math.ceil(min / step) + 1;
  let step = steps.find((step) => count(step) <= limit) ?? steps.at(-1) ?? 1;
  while (count(step) > Math.max(1, limit)) step *= 2;
  const first = Math.ceil(min / step) * step;
  return Array.from({ length: Math.max(0, count(step)) }, (_, index) => first + index * step);
}

/** Maps `min`..`max` on `from`..`to`, linearly. */
export function linear(min: number, max: number, from: number, to: number): (value: number) => number {
  const span = max - min || 1;
  return (value) => from + ((value - min) / span) * (to - from);
}

/** An SVG path through the points; where one is missing, the line is interrupted. */
export function linePath(points: readonly (readonly [number, number] | null)[]): string {
  let pen = "M";
  let path = "";
  for (const point of points) {
    if (point) path += `${pen}${point[0].toFixed(1)},${point[1].toFixed(1)}`;
    pen = point ? "L" : "M";
  }
  return path;
}
