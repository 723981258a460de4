import { useQuery } from "@tanstack/react-query";
import { type GeoPermissibleObjects, geoCentroid, geoGraticule10, geoMercator, geoPath } from "d3-geo";
import { type PointerEvent, useMemo } from "react";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import landUrl from "world-atlas/land-50m.json?url";
import { spread, type Track } from "../lib/geo";
import { type Size, useSize } from "../lib/use-size";

const MARGIN_PX = 56;
const POINTS = 2_000;
/** Closer in, the land's outline would be too coarse to help: about 0.05 nmi a pixel. */
const MAX_SCALE = 70_000;
const EARTH_RADIUS_NMI = 3_440;
const SCALE_BARS_NMI = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/** Land from the page's own files: no tile server learns who flies where. */
async function loadLand(): Promise<GeoPermissibleObjects> {
  const topology = (await (await fetch(landUrl)).json()) as Topology<{ land: GeometryCollection }>;
  return feature(topology, topology.objects.land);
}

type Props = {
  track: Track;
  /** What stands at the two ends: an airport's code, or a time. */
  ends: [string, string];
  cursor: number | null;
  onCursor: (index: number | null) => void;
  className: string;
};

/** A flown track over land. Pointing at it moves the cursor that it shares with the profile. */
export function TrackMap({ track, ends, cursor, onCursor, className }: Props) {
  const land = useQuery({ queryKey: ["land"], queryFn: loadLand, staleTime: Number.POSITIVE_INFINITY });
  const [ref, size] = useSize<HTMLDivElement>();
  const chart = useMemo(() => (size.width > 0 ? draw(track, size) : null), [track, size]);
  const shore = useMemo(() => (chart && land.data ? chart.path(land.data) : null), [chart, land.data]);
  const point = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    onCursor(chart?.nearest(event.clientX - box.left, event.clientY - box.top) ?? null);
  };
  const here = cursor === null ? null : chart?.place(cursor);
  return (
    <div
      ref={ref}
      className={`relative w-full touch-pan-y overflow-hidden rounded-lg border border-line bg-sea ${className}`}
      onPointerMove={point}
      onPointerLeave={() => onCursor(null)}
    >
      {chart && (
        <svg
          width={size.width}
          height={size.height}
          role="img"
          aria-label="Map of the flown track"
          className="absolute inset-0"
        >
          {shore && <path d={shore} className="fill-land stroke-coast" strokeWidth={0.75} />}
          <path d={chart.graticule} className="fill-none stroke-coast opacity-40" strokeWidth={0.5} />
          <path
            d={chart.line}
            className="fill-none stroke-accent"
            strokeWidth={2}
            strokeLinecap="round"
            strokeLinejoin="round"
          />
          <Ends chart={chart} codes={ends} />
          <ScaleBar chart={chart} size={size} />
          {here && <circle cx={here[0]} cy={here[1]} r={5} className="fill-ink stroke-2 stroke-surface" />}
        </svg>
      )}
    </div>
  );
}

type Chart = ReturnType<typeof draw>;

function draw(track: Track, { width, height }: Size) {
  const { coordinates } = track.geometry;
  const kept = spread(coordinates.length, POINTS);
  const line = { type: "LineString" as const, coordinates: kept.map((index) => coordinates[index] ?? []) };
  const [longitude] = geoCentroid(line);
  const inner: [[number, number], [number, number]] = [
    [MARGIN_PX, MARGIN_PX],
    [width - MARGIN_PX, height - MARGIN_PX],
  ];
  // Turned to the flight, so that one across the date line is in one piece.
  const projection = geoMercator().rotate([-longitude, 0]).fitExtent(inner, line);
  if (projection.scale() > MAX_SCALE) {
    projection.scale(MAX_SCALE);
    const [x, y] = geoPath(projection).centroid(line);
    const [left, top] = projection.translate();
    projection.translate([left + width / 2 - x, top + height / 2 - y]);
  }
  projection.clipExtent([
    [0, 0],
    [width, height],
  ]);
  const path = geoPath(projection);
  const place = (index: number) => projection(coordinates.at(index) as [number, number]);
  const places = kept.map((index) => ({ index, at: place(index) }));
  const middle = projection.invert?.([width / 2, height / 2])?.[1] ?? 0;
  return {
    path: (shape: GeoPermissibleObjects) => path(shape),
    line: path(line) ?? "",
    graticule: path(geoGraticule10()) ?? "",
    place,
    nmiPerPx: (EARTH_RADIUS_NMI * Math.cos((middle * Math.PI) / 180)) / projection.scale(),
    nearest(x: number, y: number): number | null {
      let best: { index: number; distance: number } | null = null;
      for (const { index, at } of places) {
        const distance = at ? Math.hypot(at[0] - x, at[1] - y) : Number.POSITIVE_INFINITY;
        if (!best || distance < best.distance) best = { index, distance };
      }
      return best?.index ?? null;
    },
  };
}

/** Departure is a ring, arrival a dot; one that ends where it began has one name. */
function Ends({ chart, codes: [departure, arrival] }: { chart: Chart; codes: [string, string] }) {
  const [start, end] = [chart.place(0), chart.place(-1)];
  if (!start || !end) return null;
  const eastward = start[0] <= end[0];
  const round = departure === arrival;
  return (
    <g className="font-mono font-semibold text-xs" dominantBaseline="middle">
      <circle cx={start[0]} cy={start[1]} r={5} className="fill-surface stroke-2 stroke-accent" />
      <circle cx={end[0]} cy={end[1]} r={round ? 3 : 5} className="fill-accent" />
      <Code at={start} code={departure} left={eastward && !round} />
      {!round && <Code at={end} code={arrival} left={!eastward} />}
    </g>
  );
}

function Code({ at: [x, y], code, left }: { at: [number, number]; code: string; left: boolean }) {
  return (
    <text
      x={left ? x - 12 : x + 12}
      y={y}
      textAnchor={left ? "end" : "start"}
      className="fill-ink stroke-4 stroke-sea [paint-order:stroke]"
    >
      {code}
    </text>
  );
}

function ScaleBar({ chart, size }: { chart: Chart; size: Size }) {
  const nmi = SCALE_BARS_NMI.findLast((length) => length / chart.nmiPerPx <= size.width / 6) ?? 1;
  const [left, bottom] = [16, size.height - 16];
  return (
    <g>
      <path
        d={`M${left},${bottom - 4}v4h${nmi / chart.nmiPerPx}v-4`}
        className="fill-none stroke-muted"
        strokeWidth={1}
      />
      <text x={left} y={bottom - 8} className="fill-muted text-xs stroke-3 stroke-sea [paint-order:stroke]">
        {nmi.toLocaleString("en-GB")} nmi
      </text>
    </g>
  );
}
