import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { clock } from "../lib/format";
import type { Track } from "../lib/geo";

const HEIGHT = 200;

const atTime = (seconds: number) => clock(new Date(seconds * 1_000).toISOString());

/** Altitude and ground speed over time; reports the sample under the pointer. */
export function Profile({ track, onCursor }: { track: Track; onCursor: (index: number | null) => void }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      font: "12px 'Inter Variable'",
    };
    const { times, altitudesFt, groundSpeedsKt } = track.properties;
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
        hooks: { setCursor: [(self) => onCursor(self.cursor.idx ?? null)] },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map(atTime) },
          {
            ...axis,
            scale: "ft",
            size: 64,
            values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en-GB")),
          },
          { ...axis, scale: "kt", side: 1, grid: { show: false } },
        ],
        series: [
          { label: "Time", value: (_, seconds) => (seconds === null ? "–" : atTime(seconds)) },
          { label: "Altitude (ft)", scale: "ft", stroke: colour("--accent"), width: 2 },
          { label: "Ground speed (kt)", scale: "kt", stroke: colour("--muted"), width: 1 },
        ],
      },
      [times.map((time) => Date.parse(time) / 1_000), altitudesFt, groundSpeedsKt],
      element,
    );
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [track, onCursor]);
  return <div ref={host} role="img" aria-label="Altitude and ground speed over time" className="w-full" />;
}
