import type { Feature, LineString } from "geojson";

/** What the server tells about a flown track, beside its line. */
export type TrackProperties = {
  times: string[];
  altitudesFt: (number | null)[];
  groundSpeedsKt: (number | null)[];
  headingsDeg: (number | null)[];
};

export type Track = Feature<LineString, TrackProperties>;

/** The line of a flight as one point a minute at the most: enough for a map of a continent. */
export function thinned(track: Track, points: number): LineString {
  const { coordinates } = track.geometry;
  const step = Math.max(1, Math.ceil(coordinates.length / points));
  const kept = coordinates.filter((_, index) => index % step === 0 || index === coordinates.length - 1);
  return { type: "LineString", coordinates: kept };
}
