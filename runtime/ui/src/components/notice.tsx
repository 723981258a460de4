import { Failure } from "../api/failure";
import { Button } from "./button";

/** What went wrong, what to do, and the request id that support will ask for. */
export function FailureNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const failure = Failure.from(error);
  return (
    <div
      role="alert"
      className="flex flex-wrap items-center gap-3 rounded-md border border-bad bg-surface p-3"
    >
      <div className="min-w-0 flex-1">
        <p className="font-medium text-bad">{failure.title}</p>
        <p className="text-muted">{failure.message}</p>
        {failure.requestId && <p className="font-mono text-xs text-muted">Request {failure.requestId}</p>}
      </div>
      {onRetry && <Button onClick={onRetry}>Retry</Button>}
    </div>
  );
}

/** An empty screen names the next action. */
export function Empty({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 rounded-lg border border-line border-dashed p-10 text-center">
      <p className="font-medium text-base">{title}</p>
      <div className="max-w-md text-muted">{children}</div>
    </div>
  );
}

/** Grey bars in the geometry of what is coming; shown only when it takes longer than 150 ms. */
export function Skeleton({ rows }: { rows: number }) {
  return (
    <div className="skeleton flex flex-col gap-2" aria-hidden="true">
      {Array.from({ length: rows }, (_, row) => `row ${row}`).map((key) => (
        <div key={key} className="h-9 rounded-md bg-sunken" />
      ))}
    </div>
  );
}
