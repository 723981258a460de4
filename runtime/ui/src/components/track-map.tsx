import { useQuery } from "@tanstack/react-query";
import { geoGraticule10, geoMercator, geoPath } from "d3-geo";
import type { FeatureCollection, Geometry } from "geojson";
import { useMemo } from "react";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import { type Track, thinned } from "../lib/geo";

const WIDTH = 960;
const HEIGHT = 420;
const MARGIN = 48;

/** Land from the page's own files: no tile server learns who flies where. */
async function loadLand(): Promise<FeatureCollection<Geometry>> {
  const { default: world } = await import("world-atlas/land-50m.json");
  const topology = world as unknown as Topology<{ land: GeometryCollection }>;
  return feature(topology, topology.objects.land);
}

/** A flown track over land; `cursor` is the index of the sample that the profile points at. */
export function TrackMap({ track, cursor }: { track: Track; cursor: number | null }) {
  const land = useQuery({ queryKey: ["land"], queryFn: loadLand, staleTime: Number.POSITIVE_INFINITY });
  const line = useMemo(() => thinned(track, 2_000), [track]);
  const projection = useMemo(
    () =>
      geoMercator()
        .fitExtent(
          [
            [MARGIN, MARGIN],
            [WIDTH - MARGIN, HEIGHT - MARGIN],
          ],
          line,
        )
        .clipExtent([
          [0, 0],
          [WIDTH, HEIGHT],
        ]),
    [line],
  );
  const path = useMemo(() => geoPath(projection), [projection]);
  const place = (index: number) => {
    const coordinates = track.geometry.coordinates.at(index);
    return coordinates ? projection([coordinates[0] ?? 0, coordinates[1] ?? 0]) : null;
  };
  const [start, end, here] = [place(0), place(-1), cursor === null ? null : place(cursor)];
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label="Map of the flown track"
      className="w-full rounded-lg border border-line bg-sunken"
    >
      <path d={path(geoGraticule10()) ?? ""} className="fill-none stroke-line" strokeWidth={0.5} />
      {land.data && <path d={path(land.data) ?? ""} className="fill-land stroke-line" strokeWidth={0.5} />}
      <path d={path(line) ?? ""} className="fill-none stroke-accent" strokeWidth={2} strokeLinejoin="round" />
      {start && (
        <circle cx={start[0]} cy={start[1]} r={5} className="fill-surface stroke-accent" strokeWidth={2} />
      )}
      {end && <circle cx={end[0]} cy={end[1]} r={5} className="fill-accent" />}
      {here && <circle cx={here[0]} cy={here[1]} r={6} className="fill-ink stroke-surface" strokeWidth={2} />}
    </svg>
  );
}
