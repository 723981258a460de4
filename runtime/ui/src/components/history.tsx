import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { HistoryEntry, Pirep } from "../api/types";
import { dateTime } from "../lib/format";
import { fieldName, fieldValue, words } from "../lib/words";
import { Icon } from "./icon";
import { FailureNotice, Skeleton } from "./notice";

/** What the event's name, its words and the badge say already. */
const TOLD_ELSEWHERE = ["/state", "/awaits", "/question"];

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
      {history.isPending && <Skeleton blocks={["h-9", "h-9", "h-9"]} />}
      <ol className="flex flex-col gap-4 border-line border-l-2 pl-4">
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
  const changes = entry.changes.filter(({ path }) => !TOLD_ELSEWHERE.includes(path));
  return (
    <>
      <p>
        <span className="font-medium">{words(entry.event)}</span>{" "}
        <span className="text-muted">
          by {entry.actor.displayName ?? words(entry.actor.kind).toLowerCase()}, {dateTime(entry.at)}
        </span>
      </p>
      {entry.reason && (
        <blockquote className="mt-1 w-fit max-w-prose whitespace-pre-line break-words rounded-lg border border-line bg-surface px-3 py-2 text-ink">
          {entry.reason}
        </blockquote>
      )}
      {changes.length > 0 && (
        <details className="group mt-1 text-muted text-xs">
          <summary className="inline-flex cursor-pointer items-center gap-1 rounded-md py-1 hover:text-ink pointer-coarse:h-11">
            <Icon name="chevron" className="size-3 group-open:rotate-90" />
            {changes.length === 1 ? "1 value" : `${changes.length} values`}
          </summary>
          <dl className="mt-1 grid grid-cols-1 gap-x-6 gap-y-1 sm:grid-cols-[max-content_1fr]">
            {changes.map(({ path, from, to }) => (
              <div key={path} className="contents">
                <dt>{fieldName(path)}</dt>
                <dd className="break-words pl-3 text-ink sm:pl-0">
                  {!isBlank(from) && (
                    <span className="text-muted line-through">{fieldValue(path, from)}</span>
                  )}{" "}
                  {fieldValue(path, to)}
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </>
  );
}

function isBlank(value: unknown): boolean {
  return value === null || value === undefined || value === "";
}
