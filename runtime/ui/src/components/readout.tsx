import { clock, quantity } from "../lib/format";
import type { Track } from "../lib/geo";

/** The values of one moment, and the legend of the profile below; without a moment, the top ones and how to choose one. */
export function Readout({ track, cursor }: { track: Track; cursor: number | null }) {
  const { times, altitudesFt, groundSpeedsKt, headingsDeg, verticalSpeedsFpm, fuelsKg } = track.properties;
  const here = <T,>(values: readonly T[]) => (cursor === null ? null : values[cursor]);
  const peak = (values: readonly (number | null)[]) =>
    cursor === null ? values.reduce((most, value) => Math.max(most ?? 0, value ?? 0), null) : values[cursor];
  const hasFuel = fuelsKg.some((fuel) => fuel !== null);
  const most = cursor === null ? "Top " : "";
  return (
    <div className="relative px-4 pt-3">
      <dl className="grid grid-cols-6 gap-x-2 gap-y-2 sm:flex sm:flex-wrap sm:gap-x-6">
        <Value
          name={`${most}altitude`}
          value={quantity(peak(altitudesFt), "ft")}
          swatch="border-accent border-t-2"
        />
        <Value
          name={`${most}ground speed`}
          value={quantity(peak(groundSpeedsKt), "kt")}
          swatch="border-muted border-t-2 border-dotted"
        />
        <Value name="Time" value={clock(here(times))} hidden={cursor === null} />
        <Value name="Heading" value={degrees(here(headingsDeg))} hidden={cursor === null} />
        <Value
          name="Vertical speed"
          value={quantity(here(verticalSpeedsFpm), "fpm")}
          hidden={cursor === null}
        />
        {hasFuel && <Value name="Fuel" value={quantity(here(fuelsKg), "kg")} hidden={cursor === null} />}
      </dl>
      {cursor === null && (
        <p className="absolute bottom-0 text-muted text-xs sm:top-3 sm:right-4">
          Choose a moment on the map or the profile to read it.
        </p>
      )}
    </div>
  );
}

function degrees(heading: number | null | undefined): string {
  return heading === null || heading === undefined ? "–" : `${String(heading).padStart(3, "0")}°`;
}

type ValueProps = { name: string; value: string; swatch?: string; hidden?: boolean };

/** A hidden one keeps its room, so that nothing jumps below a pointer. */
function Value({ name, value, swatch, hidden = false }: ValueProps) {
  return (
    <div className={`sm:min-w-28 ${swatch ? "col-span-3" : "col-span-2"} ${hidden ? "invisible" : ""}`}>
      <dt className="flex items-center gap-1.5 text-muted text-xs first-letter:uppercase">
        {swatch && <span aria-hidden="true" className={`w-4 ${swatch}`} />}
        <span className="first-letter:uppercase">{name}</span>
      </dt>
      <dd className="font-medium">{value}</dd>
    </div>
  );
}
