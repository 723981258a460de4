import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Pirep } from "../api/types";
import { Button } from "./button";
import { Field } from "./field";
import { FailureNotice } from "./notice";

/** The decision bar; it stays in sight at the bottom while staff read the flight above. */
export function Review({ pirep }: { pirep: Pirep }) {
  const queries = useQueryClient();
  const [reason, setReason] = useState<string | null>(null);
  // The decision names the version that was seen: a second reviewer is told of the first one's.
  const params = { path: { id: pirep.id }, header: { "If-Match": `"${pirep.version}"` } };
  const settle = () => {
    queries.invalidateQueries({ queryKey: ["pirep", pirep.id] });
    queries.invalidateQueries({ queryKey: ["pireps"] });
  };
  const accept = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/pireps/{id}/accept", { params, body: {} })),
    onSettled: settle,
  });
  const reject = useMutation({
    mutationFn: (why: string) =>
      answer(api.POST("/api/v1/pireps/{id}/reject", { params, body: { reason: why } })),
    onSettled: settle,
  });
  const error = accept.error ?? reject.error;
  const outdated = error instanceof Failure && error.status === 412;
  const awaited = pirep.state === "Submitted" && pirep.awaits !== "pilot";
  if (!awaited && !outdated) return null;
  return (
    <section
      aria-label="Decision"
      className="sticky bottom-0 flex flex-col gap-3 rounded-t-lg border border-line bg-surface p-4 shadow-lg"
    >
      {error && !outdated && <FailureNotice error={error} />}
      {outdated && (
        <p role="alert">
          Somebody changed this report meanwhile. What you see is the newest
          {awaited ? "; please decide anew." : ", and it is decided."}
        </p>
      )}
      {!awaited ? null : reason === null ? (
        <div className="flex gap-2">
          <Button tone="primary" busy={accept.isPending} onClick={() => accept.mutate()}>
            Accept
          </Button>
          <Button tone="danger" onClick={() => setReason("")}>
            Reject…
          </Button>
        </div>
      ) : (
        <form
          className="flex flex-wrap items-end gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            reject.mutate(reason);
          }}
        >
          <Field
            className="min-w-60 flex-1"
            label="Why? The pilot will read this."
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            maxLength={2_000}
            required
            autoFocus
          />
          <Button tone="danger" type="submit" busy={reject.isPending}>
            Reject
          </Button>
          <Button onClick={() => setReason(null)}>Back</Button>
        </form>
      )}
    </section>
  );
}
