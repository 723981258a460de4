import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Me, Pirep } from "../api/types";
import { Facts } from "../components/facts";
import { FlightTrack } from "../components/flight-track";
import { History } from "../components/history";
import { Icon } from "../components/icon";
import { Empty, FailureNotice, Skeleton } from "../components/notice";
import { OwnFlight, Restore } from "../components/own-flight";
import { Reversal, Review } from "../components/review";
import { StateBadge } from "../components/state-badge";
import { dateTime, orDash } from "../lib/format";
import { isStaff, useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";

export function PirepPage({ id }: { id: string }) {
  const me = useMe();
  const pirep = useQuery({
    queryKey: ["pirep", id],
    queryFn: () => answer(api.GET("/api/v1/pireps/{id}", { params: { path: { id } } })),
  });
  const { data } = pirep;
  usePageTitle(data?.plan.flightNumber ?? "Flight", me.data?.tenant.displayName);
  if (pirep.error instanceof Failure && pirep.error.status === 404) return <NoSuchFlight />;
  return (
    <article className="flex flex-col gap-6">
      {pirep.error && <FailureNotice error={pirep.error} onRetry={() => pirep.refetch()} />}
      {pirep.isPending && <Skeleton blocks={["h-20", "h-64 sm:h-105", "h-60"]} />}
      {data && <FlightStrip pirep={data} />}
      {data && me.data && <Standing pirep={data} me={me.data} />}
      {data && <FlightTrack pirep={data} />}
      {data && <Facts pirep={data} />}
      {data && <History pirep={data} />}
      {data && me.data && reviews(me.data, data) && <Review pirep={data} />}
    </article>
  );
}

function NoSuchFlight() {
  return (
    <Empty title="There is no such flight">
      It may never have been filed, or it is not for you to see.{" "}
      <Link to="/" className="text-accent underline underline-offset-4">
        Back to the logbook
      </Link>
    </Empty>
  );
}

/** Nobody decides a flight of their own. */
function reviews(me: Me, pirep: Pirep): boolean {
  return isStaff(me) && me.user.id !== pirep.pilot.id;
}

/** The paper strip of a control tower: who, from where, to where, when. */
function FlightStrip({ pirep }: { pirep: Pirep }) {
  const { plan, report } = pirep;
  const diverted = report.actualArrival && report.actualArrival !== plan.arrival;
  return (
    <header className="flex flex-wrap items-center gap-x-4 gap-y-3 rounded-lg border border-line border-l-4 border-l-accent bg-surface px-4 py-3 sm:gap-x-8">
      <div className="min-w-24">
        <h1 className="font-mono font-semibold text-lg">{orDash(plan.flightNumber)}</h1>
        <p className="text-muted">{orDash(pirep.pilot.displayName)}</p>
      </div>
      <p className="flex items-baseline gap-x-3 max-sm:ml-auto font-mono text-xl">
        <span>{orDash(plan.departure)}</span>
        <span className="text-muted">→</span>
        <span>{orDash(report.actualArrival ?? plan.arrival)}</span>
        {diverted && <s className="text-base text-muted">{plan.arrival}</s>}
      </p>
      <div>
        <p className="font-mono">
          {orDash(plan.aircraftType)} <span className="text-muted">{plan.registration}</span>
        </p>
        <p className="text-muted">
          {dateTime(report.offBlockAt ?? plan.plannedOffBlockAt ?? pirep.createdAt)}
        </p>
      </div>
      <span className="ml-auto text-base">
        <StateBadge pirep={pirep} />
      </span>
    </header>
  );
}

/** Where the flight stands: what is remarkable, the verdict, and what this person can do about it. */
function Standing({ pirep, me }: { pirep: Pirep; me: Me }) {
  const own = me.user.id === pirep.pilot.id;
  const awaitsOthers = own && isStaff(me) && pirep.state === "Submitted";
  return (
    <>
      {pirep.warnings.length > 0 && (
        <ul aria-label="Remarkable" className="flex flex-col gap-1">
          {pirep.warnings.map(({ pointer, code, detail }) => (
            <li key={pointer + code} className="flex gap-2">
              <Icon name="warning" className="mt-0.5 size-4 text-wait" />
              {detail}
            </li>
          ))}
        </ul>
      )}
      {pirep.decision && <Verdict pirep={pirep} reversible={reviews(me, pirep)} />}
      {awaitsOthers && (
        <p className="text-muted">Somebody else of the staff decides it, as it is your own.</p>
      )}
      {own && <OwnFlight pirep={pirep} />}
      {!own && isStaff(me) && pirep.state === "Cancelled" && <Restore pirep={pirep} />}
    </>
  );
}

function Verdict({ pirep, reversible }: { pirep: Pirep; reversible: boolean }) {
  const { decision } = pirep;
  if (!decision) return null;
  const accepted = decision.verdict === "Accepted";
  const stands = pirep.state === decision.verdict;
  return (
    <section
      aria-label="Verdict"
      className={`flex flex-col gap-3 rounded-lg border border-line border-l-4 bg-surface px-4 py-3 ${accepted ? "border-l-good" : "border-l-bad"}`}
    >
      <div>
        <p>
          <span className="font-medium">{decision.verdict}</span> by{" "}
          {decision.by?.displayName ?? "a review rule"}, {dateTime(pirep.decidedAt)}
          {!accepted && `; counts: ${COUNTS[decision.credit]}`}
        </p>
        {decision.reason && <p className="mt-1 break-words text-base">“{decision.reason}”</p>}
      </div>
      {reversible && stands && <Reversal key={pirep.version} pirep={pirep} />}
    </section>
  );
}

const COUNTS = { full: "all of it", hours: "the hours", none: "nothing" } as const;
