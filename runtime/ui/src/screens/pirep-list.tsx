import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Pirep, PirepState } from "../api/types";
import { Button } from "../components/button";
import { Empty, FailureNotice, Skeleton } from "../components/notice";
import { StateBadge } from "../components/state-badge";
import { dateTime, duration, orDash } from "../lib/format";

const PAGE = 50;

const FILTERS: { label: string; state?: PirepState }[] = [
  { label: "All" },
  { label: "In flight", state: "InProgress" },
  { label: "Awaiting review", state: "Submitted" },
  { label: "Accepted", state: "Accepted" },
  { label: "Rejected", state: "Rejected" },
];

export function PirepList() {
  const [state, setState] = useState<PirepState | undefined>();
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
      <div className="flex flex-wrap items-center gap-2">
        <h1 className="mr-auto font-semibold text-lg">Logbook</h1>
        <fieldset aria-label="Show" className="flex flex-wrap gap-1">
          {FILTERS.map((filter) => (
            <button
              key={filter.label}
              type="button"
              aria-pressed={filter.state === state}
              onClick={() => setState(filter.state)}
              className="h-9 rounded-md px-3 hover:bg-sunken aria-pressed:bg-accent-soft aria-pressed:font-medium pointer-coarse:h-11"
            >
              {filter.label}
            </button>
          ))}
        </fieldset>
      </div>
      {pireps.error && <FailureNotice error={pireps.error} onRetry={() => pireps.refetch()} />}
      {pireps.isPending && <Skeleton rows={10} />}
      {pireps.isSuccess && items.length === 0 && (
        <Empty title="No flights here yet">
          <Link to="/file" className="text-accent underline">
            File one by hand
          </Link>
          , or let your ACARS client prefile it with an API key.
        </Empty>
      )}
      {items.length > 0 && <PirepTable pireps={items} />}
      {pireps.hasNextPage && (
        <Button busy={pireps.isFetchingNextPage} onClick={() => pireps.fetchNextPage()}>
          Show more
        </Button>
      )}
    </div>
  );
}

function PirepTable({ pireps }: { pireps: Pirep[] }) {
  return (
    <ul className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface">
      {pireps.map((pirep) => (
        <li key={pirep.id}>
          <Link
            to="/pireps/$id"
            params={{ id: pirep.id }}
            className="grid min-h-9 grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 px-4 py-2 hover:bg-sunken sm:grid-cols-[7rem_8rem_4rem_1fr_6rem_9.5rem]"
          >
            <span className="font-mono font-semibold">{orDash(pirep.plan.flightNumber)}</span>
            <span className="font-mono">
              {pirep.plan.departure}
              <span className="px-1 text-muted">→</span>
              {pirep.report.actualArrival ?? pirep.plan.arrival}
            </span>
            <span className="hidden font-mono text-muted sm:inline">{orDash(pirep.plan.aircraftType)}</span>
            <span className="truncate text-muted">
              {pirep.pilot.displayName} · {dateTime(pirep.report.offBlockAt ?? pirep.createdAt)}
            </span>
            <span className="hidden text-right sm:inline">{duration(pirep.report.blockTimeMin)}</span>
            <span className="justify-self-end sm:justify-self-start">
              <StateBadge pirep={pirep} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
