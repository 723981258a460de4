import createClient from "openapi-fetch";
import { Failure } from "./failure";
import type { paths } from "./schema";
import type { Problem } from "./types";

/** The typed client; the session travels in a cookie that scripts cannot read. */
export const api = createClient<paths>({ credentials: "same-origin" });

const POSITION = "Albatross-Position";
/** The log position of the last write, until a read has waited for it. */
let written: string | null = null;

// Reading one's own writes: what is read next waits until the last write can be seen.
api.use({
  onRequest({ request }) {
    if (request.method === "GET" && written) request.headers.set(POSITION, written);
  },
  onResponse({ request, response }) {
    if (request.method !== "GET") written = response.headers.get(POSITION) ?? written;
    // Waited for in vain too: an old list is better than none.
    else if (request.headers.get(POSITION) === written) written = null;
  },
});

type Outcome<T> = { data?: T; error?: unknown; response: Response };

/** The answer's body, or a {@link Failure} that says what happened. */
export async function answer<T>(call: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (response.ok) return data as T;
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") && error;
  if (isProblem) throw Failure.ofProblem(error as Problem);
  throw new Failure("Unexpected answer", `The server answered ${response.status}.`, response.status, null);
}
