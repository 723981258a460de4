import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { Pirep } from "../api/types";
import { FlightTrack } from "../components/flight-track";
import { History } from "../components/history";
import { FailureNotice, Skeleton } from "../components/notice";
import { Review } from "../components/review";
import { StateBadge } from "../components/state-badge";
import { clock, dateTime, duration, orDash, quantity } from "../lib/format";
import { isStaff, useMe } from "../lib/use-me";

export function PirepPage({ id }: { id: string }) {
  const me = useMe();
  const pirep = useQuery({
    queryKey: ["pirep", id],
    queryFn: () => answer(api.GET("/api/v1/pireps/{id}", { params: { path: { id } } })),
  });
  if (!pirep.data) {
    return pirep.error ? (
      <FailureNotice error={pirep.error} onRetry={() => pirep.refetch()} />
    ) : (
      <Skeleton rows={12} />
    );
  }
  return (
    <article className="flex flex-col gap-6">
      {pirep.error && <FailureNotice error={pirep.error} onRetry={() => pirep.refetch()} />}
      <FlightStrip pirep={pirep.data} />
      <Verdict pirep={pirep.data} />
      <FlightTrack pirep={pirep.data} />
      <Facts pirep={pirep.data} />
      <History pirep={pirep.data} />
      {me.data && isStaff(me.data) && <Review pirep={pirep.data} />}
    </article>
  );
}

/** The paper strip of a control tower: who, from where, to where, when. */
function FlightStrip({ pirep }: { pirep: Pirep }) {
  const { plan, report } = pirep;
  return (
    <header className="flex flex-wrap items-center gap-x-8 gap-y-3 rounded-lg border border-line border-l-4 border-l-accent bg-surface p-4">
      <div>
        <h1 className="font-mono font-semibold text-lg">{orDash(plan.flightNumber)}</h1>
        <p className="text-muted">{pirep.pilot.displayName}</p>
      </div>
      <p className="flex items-baseline gap-3 font-mono text-xl">
        {plan.departure}
        <span className="text-muted">→</span>
        {report.actualArrival ?? plan.arrival}
      </p>
      <p className="font-mono text-muted">
        {orDash(plan.aircraftType)} {plan.registration}
      </p>
      <p className="text-muted">{dateTime(report.offBlockAt ?? plan.plannedOffBlockAt ?? pirep.createdAt)}</p>
      <span className="ml-auto text-base">
        <StateBadge pirep={pirep} />
      </span>
    </header>
  );
}

function Verdict({ pirep }: { pirep: Pirep }) {
  const { decision } = pirep;
  if (!decision) return null;
  return (
    <section aria-label="Verdict" className="rounded-lg border border-line bg-surface p-4">
      <p>
        <span className="font-medium">{decision.verdict}</span> by{" "}
        {decision.by?.displayName ?? "a review rule"}, {dateTime(pirep.decidedAt)}
        {decision.verdict === "Rejected" && <>; credit: {decision.credit}</>}
      </p>
      {decision.reason && <p className="mt-1 text-muted">“{decision.reason}”</p>}
    </section>
  );
}

function Facts({ pirep }: { pirep: Pirep }) {
  const { plan, report, track } = pirep;
  const facts: [string, string][] = [
    ["Off block", clock(report.offBlockAt)],
    ["Take-off", clock(report.takeOffAt)],
    ["Landing", clock(report.landingAt)],
    ["On block", clock(report.onBlockAt)],
    ["Block time", duration(report.blockTimeMin)],
    ["Flight time", duration(report.flightTimeMin)],
    ["Distance", quantity(report.distanceNmi, "nmi")],
    ["Landing rate", quantity(report.landingRateFpm, "fpm")],
    ["Fuel used", quantity(report.fuelUsedKg, "kg")],
    ["Cruise level", quantity(plan.cruiseLevelFt, "ft")],
    ["Network", orDash(plan.network)],
    ["Positions", quantity(track.positions, "")],
  ];
  return (
    <section aria-label="Flight data" className="flex flex-col gap-3">
      <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line sm:grid-cols-4">
        {facts.map(([name, value]) => (
          <div key={name} className="bg-surface px-4 py-2">
            <dt className="text-muted text-xs">{name}</dt>
            <dd className="font-medium">{value}</dd>
          </div>
        ))}
      </dl>
      {plan.route && <p className="font-mono text-muted">{plan.route}</p>}
      {pirep.remarks && <p className="text-muted">“{pirep.remarks}”</p>}
    </section>
  );
}
