import type { QueryClient } from "@tanstack/react-query";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

const FAILURES_BEFORE_POLLING = 3;
const POLL_MS = 15_000;

/** What changed: enough to know which answers are stale. */
export type Change = { type: string; id: string; version: number; position: number };

/** Marks as stale what one change touches. */
export function invalidate(queries: QueryClient, change: Change): void {
  queries.invalidateQueries({ queryKey: ["pireps"] });
  queries.invalidateQueries({ queryKey: ["pirep", change.id] });
}

/**
 * Keeps the page's answers fresh by the server's stream (server-sent events). After three failures in
 * a row it asks every 15 s instead, until the stream is back. Returns whether the page is live.
 */
export function useLiveUpdates(): boolean {
  const queries = useQueryClient();
  const [live, setLive] = useState(false);
  useEffect(() => {
    const source = new EventSource("/api/v1/stream");
    let failures = 0;
    let poll: ReturnType<typeof setInterval> | undefined;
    const everything = () => queries.invalidateQueries();
    source.onopen = () => {
      failures = 0;
      clearInterval(poll);
      poll = undefined;
      setLive(true);
    };
    source.onerror = () => {
      failures += 1;
      setLive(false);
      if (failures >= FAILURES_BEFORE_POLLING) poll ??= setInterval(everything, POLL_MS);
    };
    source.addEventListener("pirep", (event) => invalidate(queries, JSON.parse(event.data) as Change));
    source.addEventListener("reset", everything);
    return () => {
      clearInterval(poll);
      source.close();
    };
  }, [queries]);
  return live;
}
