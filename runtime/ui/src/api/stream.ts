import type { QueryClient } from "@tanstack/react-query";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

const POLL_MS = 15_000;
const REOPEN_MS = 5_000;
/** A new password ends the stream a moment before the answer brings the new session's cookie. */
const FIRST_ASK_MS = 1_000;
const NAME = "albatross-stream";

/** What changed: enough to know which answers are stale. */
export type Change = { type: string; id: string; version: number; position: number };

export type Connection = "connecting" | "live" | "offline";

/** What the tab with the stream tells the others. */
type News = { change: Change } | { everything: true } | { connection: Connection } | { asks: true };

/** Marks as stale what one change touches. */
export function invalidate(queries: QueryClient, change: Change): void {
  queries.invalidateQueries({ queryKey: ["pireps"] });
  queries.invalidateQueries({ queryKey: ["pirep", change.id] });
}

/**
 * Keeps the page's answers fresh by the server's stream (server-sent events), of which all tabs share
 * one: a browser has six connections to a server over HTTP/1.1. While it is down, everything is asked for
 * every 15 s instead. Returns how the page is connected.
 */
export function useLiveUpdates(): Connection {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");
  useEffect(() => {
    const end = new AbortController();
    const others = new BroadcastChannel(NAME);
    let mine: Connection | null = null;
    const hear = (news: News) => {
      if ("change" in news) invalidate(queries, news.change);
      else if ("everything" in news) queries.invalidateQueries();
      else if ("connection" in news) setConnection(news.connection);
      else if (mine) others.postMessage({ connection: mine } satisfies News);
    };
    const tell = (news: News) => {
      if ("connection" in news) mine = news.connection;
      others.postMessage(news);
      hear(news);
    };
    others.onmessage = ({ data }: MessageEvent<News>) => hear(data);
    others.postMessage({ asks: true } satisfies News);
    end.signal.addEventListener("abort", () => others.close());
    whenFirst(end.signal, () => follow(tell, end.signal));
    return () => end.abort();
  }, [queries]);
  return connection;
}

/** Runs in one tab at a time; where the browser has no locks (plain HTTP in a local network), in each. */
function whenFirst(signal: AbortSignal, run: () => void): void {
  const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  const turn = () => {
    run();
    return ended;
  };
  if (navigator.locks) navigator.locks.request(NAME, { signal }, turn).catch(leftBeforeItsTurn);
  else turn();
}

function leftBeforeItsTurn(error: unknown): void {
  if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
}

/** Holds the stream open until `signal`. What happened while it was down is asked for. */
function follow(tell: (news: News) => void, signal: AbortSignal): void {
  let source: EventSource;
  let reopen: ReturnType<typeof setTimeout>;
  let first: ReturnType<typeof setTimeout>;
  let poll: ReturnType<typeof setInterval> | undefined;
  const everything = () => tell({ everything: true });
  const open = () => {
    source = new EventSource("/api/v1/stream");
    source.onopen = () => {
      clearInterval(poll);
      poll = undefined;
      tell({ connection: "live" });
      everything();
    };
    source.onerror = () => {
      tell({ connection: "offline" });
      if (!poll) first = setTimeout(everything, FIRST_ASK_MS);
      poll ??= setInterval(everything, POLL_MS);
      // A refusal, such as a proxy's 502, ends a source for good.
      if (source.readyState === EventSource.CLOSED) reopen = setTimeout(open, REOPEN_MS);
    };
    source.addEventListener("pirep", ({ data }) => tell({ change: JSON.parse(data) as Change }));
    source.addEventListener("reset", everything);
  };
  open();
  signal.addEventListener("abort", () => {
    clearTimeout(first);
    clearInterval(poll);
    clearTimeout(reopen);
    source.close();
  });
}
