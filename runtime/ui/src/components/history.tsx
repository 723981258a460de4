import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { HistoryEntry, Pirep } from "../api/types";
import { dateTime } from "../lib/format";
import { FailureNotice, Skeleton } from "./notice";

/** Who changed what, when and why; read again whenever the report has a new version. */
export function History({ pirep }: { pirep: Pirep }) {
  const { id } = pirep;
  const history = useQuery({
    queryKey: ["history", id, pirep.version],
    placeholderData: (before) => before,
    queryFn: () => answer(api.GET("/api/v1/pireps/{id}/history", { params: { path: { id } } })),
  });
  return (
    <section aria-labelledby="history" className="flex flex-col gap-3">
      <h2 id="history" className="font-semibold text-base">
        History
      </h2>
      {history.error && <FailureNotice error={history.error} onRetry={() => history.refetch()} />}
      {history.isPending && <Skeleton rows={3} />}
      <ol className="flex flex-col gap-3 border-line border-l-2 pl-4">
        {history.data?.items.map((entry) => (
          <li key={entry.version}>
            <Entry entry={entry} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Entry({ entry }: { entry: HistoryEntry }) {
  return (
    <>
      <p>
        <span className="font-medium">{inWords(entry.event)}</span>{" "}
        <span className="text-muted">
          by {entry.actor.displayName ?? entry.actor.kind}, {dateTime(entry.at)}
        </span>
      </p>
      {entry.reason && <p className="text-muted">“{entry.reason}”</p>}
      {entry.changes.length > 0 && (
        <ul className="mt-1 flex flex-col gap-0.5 text-xs">
          {entry.changes.map((change) => (
            <li key={change.path} className="break-words font-mono text-muted">
              {change.path}: {written(change.from)} → <span className="text-ink">{written(change.to)}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** `FlightPaused` as `Flight paused`. */
function inWords(event: string): string {
  const words = event.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function written(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
