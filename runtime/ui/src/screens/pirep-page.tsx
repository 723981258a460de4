import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Me, Pirep } from "../api/types";
import { Actions } from "../components/actions";
import { Facts } from "../components/facts";
import { FlightTrack } from "../components/flight-track";
import { History } from "../components/history";
import { Icon } from "../components/icon";
import { Empty, FailureNotice, Skeleton } from "../components/notice";
import { StateBadge } from "../components/state-badge";
import { isOwn } from "../lib/actions";
import { dateTime, orDash } from "../lib/format";
import { isStaff, useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";
import { useSelfReview } from "../lib/use-self-review";

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
    <article className="flex grow flex-col gap-6">
      {pirep.error && <FailureNotice error={pirep.error} onRetry={() => pirep.refetch()} />}
      {pirep.isPending && <Skeleton blocks={["h-20", "h-64 sm:h-105", "h-60"]} />}
      {data && <FlightStrip pirep={data} />}
      {data && me.data && <Standing pirep={data} me={me.data} />}
      {data && <FlightTrack pirep={data} />}
      {data && <Facts pirep={data} />}
      {data && <History pirep={data} />}
      {data && me.data && <Actions pirep={data} me={me.data} />}
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

/** Where the flight stands: what is remarkable, what was asked, the verdict. */
function Standing({ pirep, me }: { pirep: Pirep; me: Me }) {
  const own = isOwn(pirep, me);
  const decides = useSelfReview(pirep, me) || !isStaff(me);
  const awaitsOthers = own && !decides && pirep.state === "Submitted" && pirep.awaits !== "pilot";
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
      {(pirep.contact === "lost" || pirep.contact === "silent") && (
        <p className="flex gap-2">
          <Icon name="warning" className="mt-0.5 size-4 text-wait" />
          Lost contact: no position since {dateTime(pirep.lastContactAt)}.
        </p>
      )}
      {pirep.question && (
        <Statement label="Question" tone="border-l-wait" said={pirep.question}>
          <span className="font-medium">Staff ask</span>
          {own ? ", and await your answer" : ", and await the pilot's answer"}
        </Statement>
      )}
      {pirep.decision && <Verdict pirep={pirep} decision={pirep.decision} />}
      {awaitsOthers && (
        <p className="text-muted">Somebody else of the staff decides it, as it is your own.</p>
      )}
    </>
  );
}

type VerdictProps = { pirep: Pirep; decision: NonNullable<Pirep["decision"]> };

function Verdict({ pirep, decision }: VerdictProps) {
  const { verdict, by, reason, credit } = decision;
  const accepted = verdict === "Accepted";
  return (
    <Statement label="Verdict" tone={accepted ? "border-l-good" : "border-l-bad"} said={reason}>
      <span className="font-medium">{verdict}</span> by {by?.displayName ?? "a review rule"},{" "}
      {dateTime(pirep.decidedAt)}
      {!accepted && `; counts: ${COUNTS[credit]}`}
    </Statement>
  );
}

type StatementProps = { label: string; tone: string; said: string | null; children: React.ReactNode };

/** What staff have to say about it, first of all. */
function Statement({ label, tone, said, children }: StatementProps) {
  return (
    <section
      aria-label={label}
      className={`rounded-lg border border-line border-l-4 bg-surface px-4 py-3 ${tone}`}
    >
      <p>{children}</p>
      {said && <p className="mt-1 whitespace-pre-line break-words text-base">“{said}”</p>}
    </section>
  );
}

const COUNTS = { full: "all of it", hours: "the hours", none: "nothing" } as const;
