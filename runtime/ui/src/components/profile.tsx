import { type KeyboardEvent, type PointerEvent, useMemo } from "react";
import { clock, quantity } from "../lib/format";
import { spread, type Track } from "../lib/geo";
import { linear, linePath, ticks } from "../lib/scale";
import { type Size, useSize } from "../lib/use-size";

const MARGIN = { top: 12, right: 56, bottom: 28, left: 72 };
const MINUTE_MS = 60_000;
const TIME_STEPS = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map((minutes) => minutes * MINUTE_MS);
const ALTITUDE_STEPS_FT = [500, 1_000, 2_000, 5_000, 10_000, 20_000];
const SPEED_STEPS_KT = [20, 50, 100, 200, 500];
const TIME_TICK_PX = 80;

type Props = { track: Track; cursor: number | null; onCursor: (index: number | null) => void };

/** Altitude and ground speed over time. Pointer and arrow keys move the moment that is looked at. */
export function Profile({ track, cursor, onCursor }: Props) {
  const [ref, size] = useSize<HTMLDivElement>();
  const plot = useMemo(() => layOut(track, size), [track, size]);
  const last = track.properties.times.length - 1;
  const point = (event: PointerEvent<HTMLDivElement>) =>
    onCursor(plot.nearest(event.clientX - event.currentTarget.getBoundingClientRect().left));
  const step = (event: KeyboardEvent) => {
    const moved = moveBy(event.key, cursor ?? 0, last);
    if (moved === null) return;
    event.preventDefault();
    onCursor(moved);
  };
  const at = cursor ?? 0;
  const { times, altitudesFt, groundSpeedsKt } = track.properties;
  return (
    <div
      ref={ref}
      role="slider"
      tabIndex={0}
      aria-label="Moment of the flight"
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={at}
      aria-valuetext={`${clock(times[at])}, ${quantity(altitudesFt[at], "ft")}, ${quantity(groundSpeedsKt[at], "kt")}`}
      className="h-50 w-full cursor-crosshair touch-pan-y overflow-hidden rounded-lg"
      onPointerMove={point}
      onPointerDown={point}
      onPointerLeave={(event) => event.pointerType === "mouse" && onCursor(null)}
      onKeyDown={step}
      onBlur={() => onCursor(null)}
    >
      {size.width > 0 && (
        <svg width={size.width} height={size.height} className="block" aria-hidden="true">
          <Grid plot={plot} size={size} />
          <path d={plot.altitudeArea} className="fill-accent opacity-10" />
          <path d={plot.speed} className="fill-none stroke-muted" strokeWidth={1.5} strokeDasharray="1 3" />
          <path d={plot.altitude} className="fill-none stroke-accent" strokeWidth={2} />
          {cursor !== null && <Cursor plot={plot} at={cursor} size={size} />}
        </svg>
      )}
    </div>
  );
}

/** Where an arrow key leads: one hundredth of the flight, a tenth with Page, or an end. */
function moveBy(key: string, from: number, last: number): number | null {
  const [small, large] = [Math.max(1, Math.round(last / 100)), Math.max(1, Math.round(last / 10))];
  const goals: Record<string, number> = {
    ArrowRight: from + small,
    ArrowUp: from + small,
    ArrowLeft: from - small,
    ArrowDown: from - small,
    PageUp: from + large,
    PageDown: from - large,
    Home: 0,
    End: last,
  };
  const goal = goals[key];
  return goal === undefined ? null : Math.min(last, Math.max(0, goal));
}

type Plot = ReturnType<typeof layOut>;

function layOut(track: Track, { width, height }: Size) {
  const { altitudesFt, groundSpeedsKt } = track.properties;
  const times = track.properties.times.map((time) => Date.parse(time));
  const [start, end] = [times[0] ?? 0, times.at(-1) ?? 0];
  const highest = (values: (number | null)[], least: number) =>
    values.reduce<number>((most, value) => Math.max(most, value ?? 0), least) * 1.08;
  const [topFt, topKt] = [highest(altitudesFt, 1_000), highest(groundSpeedsKt, 60)];
  const bottom = height - MARGIN.bottom;
  const x = linear(start, end, MARGIN.left, width - MARGIN.right);
  const yFt = linear(0, topFt, bottom, MARGIN.top);
  const yKt = linear(0, topKt, bottom, MARGIN.top);
  const kept = spread(times.length, 2 * Math.max(width, 1));
  const line = (values: (number | null)[], y: (value: number) => number) =>
    kept.map((index) => {
      const value = values[index];
      return value === null || value === undefined ? null : ([x(times[index] ?? 0), y(value)] as const);
    });
  const altitude = line(altitudesFt, yFt);
  const known = linePath(altitude.filter((point) => point !== null));
  const ends = [altitude.find(Boolean)?.[0] ?? 0, altitude.findLast(Boolean)?.[0] ?? 0];
  return {
    x: (index: number) => x(times[index] ?? 0),
    y: (index: number) => yFt(altitudesFt[index] ?? 0),
    altitude: linePath(altitude),
    altitudeArea: known && `${known}L${ends[1]},${bottom}L${ends[0]},${bottom}Z`,
    speed: linePath(line(groundSpeedsKt, yKt)),
    times: ticks(start, end, Math.max(2, Math.floor(width / TIME_TICK_PX)), TIME_STEPS).map((time) => ({
      at: x(time),
      label: clock(new Date(time).toISOString()),
    })),
    altitudes: ticks(0, topFt, 4, ALTITUDE_STEPS_FT).map((value) => ({ at: yFt(value), value })),
    speeds: ticks(0, topKt, 4, SPEED_STEPS_KT).map((value) => ({ at: yKt(value), value })),
    /** The sample at a distance from the left edge. */
    nearest(px: number): number {
      const time = linear(MARGIN.left, width - MARGIN.right, start, end)(px);
      const after = times.findIndex((known) => known >= time);
      if (after <= 0) return after === 0 ? 0 : times.length - 1;
      return time - (times[after - 1] ?? 0) < (times[after] ?? 0) - time ? after - 1 : after;
    },
  };
}

function Grid({ plot, size }: { plot: Plot; size: Size }) {
  const [left, right, bottom] = [MARGIN.left, size.width - MARGIN.right, size.height - MARGIN.bottom];
  return (
    <g className="fill-muted text-xs" dominantBaseline="middle">
      {plot.altitudes.map(({ at, value }) => (
        <g key={value}>
          <line x1={left} x2={right} y1={at} y2={at} className="stroke-line" />
          <text x={left - 8} y={at} textAnchor="end">
            {quantity(value, "ft")}
          </text>
        </g>
      ))}
      {plot.speeds.map(({ at, value }) => (
        <text key={value} x={right + 8} y={at}>
          {quantity(value, "kt")}
        </text>
      ))}
      {plot.times.map(({ at, label }) => (
        <g key={at}>
          <line x1={at} x2={at} y1={bottom} y2={bottom + 4} className="stroke-line" />
          <text x={at} y={bottom + 16} textAnchor="middle">
            {label}
          </text>
        </g>
      ))}
    </g>
  );
}

function Cursor({ plot, at, size }: { plot: Plot; at: number; size: Size }) {
  const x = plot.x(at);
  return (
    <g>
      <line x1={x} x2={x} y1={MARGIN.top} y2={size.height - MARGIN.bottom} className="stroke-ink" />
      <circle cx={x} cy={plot.y(at)} r={4} className="fill-ink stroke-2 stroke-surface" />
    </g>
  );
}
