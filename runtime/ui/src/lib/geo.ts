import type { Feature, LineString } from "geojson";

/** What the server tells about a flown track, beside its line; one value a sample. */
export type TrackProperties = {
  times: string[];
  altitudesFt: (number | null)[];
  groundSpeedsKt: (number | null)[];
  headingsDeg: (number | null)[];
  verticalSpeedsFpm: (number | null)[];
  fuelsKg: (number | null)[];
};

export type Track = Feature<LineString, TrackProperties>;

/** The indexes of evenly spread samples: at most `limit`, and always the last one. */
export function spread(samples: number, limit: number): number[] {
  const step = Math.max(1, Math.ceil(samples / limit));
  const kept = Array.from({ length: Math.ceil(samples / step) }, (_, index) => index * step);
  if (samples > 0 && kept.at(-1) !== samples - 1) kept.push(samples - 1);
  return kept;
}
