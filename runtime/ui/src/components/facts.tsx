import type { Pirep } from "../api/types";
import { clock, duration, orDash, quantity } from "../lib/format";

/** Shown for every flight, known or not. */
function usual({ report }: Pirep): [string, string][] {
  return [
    ["Off block", clock(report.offBlockAt)],
    ["Take-off", clock(report.takeOffAt)],
    ["Landing", clock(report.landingAt)],
    ["On block", clock(report.onBlockAt)],
    ["Block time", duration(report.blockTimeMin)],
    ["Flight time", duration(report.flightTimeMin)],
    ["Distance", quantity(report.distanceNmi, "nmi")],
    ["Landing rate", quantity(report.landingRateFpm, "fpm")],
  ];
}

/** Shown where they are known. */
function further({ plan, report, track, source }: Pirep): [string, string | null | undefined][] {
  const known = (value: number | null | undefined, unit: string) =>
    value === null || value === undefined ? null : quantity(value, unit);
  return [
    ["Cruise level", known(plan.cruiseLevelFt, "ft")],
    ["Fuel planned", known(plan.fuelPlannedKg, "kg")],
    ["Fuel used", known(report.fuelUsedKg, "kg")],
    ["Zero-fuel weight", known(report.zeroFuelWeightKg, "kg")],
    ["Passengers", known(plan.passengers, "")],
    ["Cargo", known(plan.cargoKg, "kg")],
    ["Greatest load", report.gForce === null ? null : `${report.gForce} g`],
    ["Alternate", plan.alternate],
    ["Network", plan.network],
    ["Positions", track.positions > 0 ? quantity(track.positions, "") : null],
    ["Filed", source.kind === "Acars" ? (source.client ?? "ACARS") : "By hand"],
  ];
}

export function Facts({ pirep }: { pirep: Pirep }) {
  const facts = [...usual(pirep), ...further(pirep).filter(([, value]) => value)];
  return (
    <section aria-label="Flight data" className="flex flex-col gap-3">
      <dl className="grid grid-cols-2 rounded-lg border border-line bg-surface py-2 sm:grid-cols-4">
        {facts.map(([name, value]) => (
          <div key={name} className="px-4 py-2">
            <dt className="text-muted text-xs">{name}</dt>
            <dd className="break-words font-medium">{orDash(value)}</dd>
          </div>
        ))}
      </dl>
      {pirep.plan.route && <p className="break-words font-mono text-muted">{pirep.plan.route}</p>}
      {pirep.remarks && <p className="break-words text-muted">“{pirep.remarks}”</p>}
    </section>
  );
}
