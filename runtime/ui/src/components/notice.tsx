import { Failure } from "../api/failure";
import { Button } from "./button";
import { Icon } from "./icon";

/** What went wrong, what to do, and the request id that support will ask for. */
export function FailureNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const failure = Failure.from(error);
  return (
    <div
      role="alert"
      className="flex flex-wrap items-center gap-x-4 gap-y-3 rounded-lg border border-bad bg-surface p-4"
    >
      <div className="flex min-w-0 flex-1 basis-60 gap-3">
        <Icon name="warning" className="mt-0.5 size-4 text-bad" />
        <div className="min-w-0">
          <p className="font-medium text-bad">{failure.title}</p>
          {failure.message !== failure.title && <p className="text-muted">{failure.message}</p>}
          {failure.requestId && (
            <p className="mt-1 break-all font-mono text-muted text-xs">Request {failure.requestId}</p>
          )}
        </div>
      </div>
      {onRetry && (
        <Button onClick={onRetry}>
          <Icon name="refresh" />
          Retry
        </Button>
      )}
    </div>
  );
}

/** An empty screen names the next action. */
export function Empty({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 rounded-lg border border-line border-dashed px-4 py-12 text-center">
      <p className="font-medium text-base">{title}</p>
      <div className="max-w-md text-muted">{children}</div>
    </div>
  );
}

/** Grey blocks in the geometry of what is coming, by their heights; shown only when it takes longer than 150 ms. */
export function Skeleton({ blocks }: { blocks: string[] }) {
  const keyed = blocks.map((height, place) => ({ height, key: `block ${place}` }));
  return (
    <div className="skeleton flex flex-col gap-3" aria-hidden="true">
      {keyed.map(({ height, key }) => (
        <div key={key} className={`rounded-lg bg-sunken ${height}`} />
      ))}
    </div>
  );
}
