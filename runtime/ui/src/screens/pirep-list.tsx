import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answer, api } from "../api/client";
import type { Pirep, PirepState } from "../api/types";
import { Button } from "../components/button";
import { Empty, FailureNotice, Skeleton } from "../components/notice";
import { StateBadge } from "../components/state-badge";
import { dateTime, duration, orDash } from "../lib/format";
import { useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";

const PAGE = 50;

/** A phone shows the labels alone, so that they stand in one line. */
const FILTERS: { label: string; rest?: string; state?: PirepState }[] = [
  { label: "All" },
  { label: "In flight", state: "InProgress" },
  { label: "Awaiting", rest: "review", state: "Submitted" },
  { label: "Accepted", state: "Accepted" },
  { label: "Rejected", state: "Rejected" },
];

/** One row is a line of seven columns, or three short lines on a phone. */
const COLUMNS =
  "grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 px-4 sm:grid-cols-[5rem_8rem_3rem_minmax(0,1fr)_10rem_5rem_9.5rem]";

export function PirepList({ state }: { state?: PirepState | undefined }) {
  const me = useMe();
  usePageTitle("Logbook", me.data?.tenant.displayName);
  const pireps = useInfiniteQuery({
    queryKey: ["pireps", state],
    queryFn: ({ pageParam }) =>
      answer(api.GET("/api/v1/pireps", { params: { query: { state, limit: PAGE, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const items = pireps.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="mr-auto font-semibold text-lg">Logbook</h1>
        <Filters chosen={state} />
      </div>
      {pireps.error && <FailureNotice error={pireps.error} onRetry={() => pireps.refetch()} />}
      {pireps.isPending && <Skeleton blocks={["h-96"]} />}
      {pireps.isSuccess && items.length === 0 && <Nothing state={state} />}
      {items.length > 0 && <PirepTable pireps={items} />}
      {pireps.hasNextPage && (
        <Button
          className="self-center"
          busy={pireps.isFetchingNextPage}
          onClick={() => pireps.fetchNextPage()}
        >
          Show more
        </Button>
      )}
    </div>
  );
}

/** In the address, so that going back comes back to it. */
function Filters({ chosen }: { chosen: PirepState | undefined }) {
  return (
    <nav aria-label="Show" className="-mx-1 flex flex-wrap gap-1 max-sm:-mx-2.5 max-sm:gap-0">
      {FILTERS.map(({ label, rest, state }) => (
        <Link
          key={label}
          to="/"
          search={state ? { state } : {}}
          aria-current={state === chosen ? "true" : undefined}
          className={`inline-flex h-9 items-center rounded-md px-2.5 hover:bg-sunken sm:px-3 pointer-coarse:h-11 ${state === chosen ? "bg-accent-soft font-medium" : "text-muted"}`}
        >
          <span>
            {label}
            {rest && <span className="max-sm:sr-only"> {rest}</span>}
          </span>
        </Link>
      ))}
    </nav>
  );
}

function Nothing({ state }: { state: PirepState | undefined }) {
  const link = "text-accent underline underline-offset-4";
  if (state) {
    return (
      <Empty title="No such flight">
        <Link to="/" search={{}} className={link}>
          Show all flights
        </Link>
      </Empty>
    );
  }
  return (
    <Empty title="No flights here yet">
      <Link to="/file" className={link}>
        File one by hand
      </Link>
      , or let your ACARS client prefile it with an API key.
    </Empty>
  );
}

function PirepTable({ pireps }: { pireps: Pirep[] }) {
  return (
    <div className="overflow-hidden rounded-lg border border-line bg-surface">
      {/* A row is a link that reads well as a whole; the headings are for the eye. */}
      <div
        aria-hidden="true"
        className={`${COLUMNS} border-line border-b py-2 text-muted text-xs max-sm:hidden`}
      >
        <span>Flight</span>
        <span>Route</span>
        <span>Type</span>
        <span>Pilot</span>
        <span>Off block</span>
        <span className="text-right">Block time</span>
        <span className="pl-2">State</span>
      </div>
      <ul className="divide-y divide-line">
        {pireps.map((pirep) => (
          <li key={pirep.id}>
            <Row pirep={pirep} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Row({ pirep }: { pirep: Pirep }) {
  const { plan, report } = pirep;
  const begun = dateTime(report.offBlockAt ?? plan.plannedOffBlockAt ?? pirep.createdAt);
  return (
    <Link
      to="/pireps/$id"
      params={{ id: pirep.id }}
      className={`${COLUMNS} min-h-9 items-center gap-y-1 py-2 hover:bg-sunken focus-visible:-outline-offset-2 sm:py-0 pointer-coarse:min-h-11`}
    >
      <span className="font-mono font-semibold">{orDash(plan.flightNumber)}</span>
      <span className="whitespace-nowrap font-mono max-sm:col-span-2 max-sm:row-start-2">
        {orDash(plan.departure)}
        <span className="px-1 text-muted">→</span>
        {orDash(report.actualArrival ?? plan.arrival)}
      </span>
      <span className="font-mono text-muted max-sm:hidden">{orDash(plan.aircraftType)}</span>
      <span className="truncate max-sm:col-span-2 max-sm:row-start-3 max-sm:text-muted max-sm:text-xs">
        {orDash(pirep.pilot.displayName)}
        <span className="sm:hidden"> · {begun}</span>
      </span>
      <span className="whitespace-nowrap text-muted max-sm:hidden">{begun}</span>
      <span className="whitespace-nowrap text-right max-sm:hidden">{duration(report.blockTimeMin)}</span>
      <span className="flex max-sm:col-start-2 max-sm:row-start-1 sm:pl-2">
        <StateBadge pirep={pirep} />
      </span>
    </Link>
  );
}
