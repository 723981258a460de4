import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Pirep } from "../api/types";
import { Button } from "./button";
import { Field } from "./field";
import { Icon } from "./icon";
import { FailureNotice } from "./notice";

/** The decision bar; it stays in sight at the bottom while staff read the flight above. */
export function Review({ pirep }: { pirep: Pirep }) {
  const [rejecting, setRejecting] = useState(false);
  const { accept, reject, error, outdated } = useDecision(pirep);
  const awaited = pirep.state === "Submitted" && pirep.awaits !== "pilot";
  if (!awaited && !outdated) return null;
  return (
    <section
      aria-label="Decision"
      className="sticky bottom-0 z-10 -mb-6 flex flex-col gap-3 rounded-t-lg border border-line border-b-0 bg-surface p-4 shadow-lg"
    >
      {error && !outdated && <FailureNotice error={error} />}
      {outdated && (
        <p role="alert" className="flex gap-2">
          <Icon name="warning" className="mt-0.5 size-4 text-wait" />
          Somebody changed this report meanwhile. What you see is the newest
          {awaited ? "; please decide anew." : ", and it is decided."}
        </p>
      )}
      {awaited && !rejecting && (
        <div className="flex gap-2">
          <Button tone="primary" busy={accept.isPending} onClick={() => accept.mutate()}>
            Accept
          </Button>
          <Button tone="danger" onClick={() => setRejecting(true)}>
            Reject…
          </Button>
        </div>
      )}
      {awaited && rejecting && (
        <Rejection busy={reject.isPending} onReject={reject.mutate} onBack={() => setRejecting(false)} />
      )}
    </section>
  );
}

/** Turns a verdict round; a slip of the finger must not stand. */
export function Reversal({ pirep }: { pirep: Pirep }) {
  const [open, setOpen] = useState(false);
  const { accept, reject, error } = useDecision(pirep);
  if (!open) {
    return (
      <Button className="self-start" onClick={() => setOpen(true)}>
        Change the verdict…
      </Button>
    );
  }
  return (
    <>
      {error && <FailureNotice error={error} />}
      {pirep.state === "Accepted" ? (
        <Rejection busy={reject.isPending} onReject={reject.mutate} onBack={() => setOpen(false)} />
      ) : (
        <div className="flex gap-2">
          <Button tone="primary" busy={accept.isPending} onClick={() => accept.mutate()} autoFocus>
            Accept after all
          </Button>
          <Button onClick={() => setOpen(false)}>Back</Button>
        </div>
      )}
    </>
  );
}

type RejectionProps = { busy: boolean; onReject: (reason: string) => void; onBack: () => void };

function Rejection({ busy, onReject, onBack }: RejectionProps) {
  return (
    <form
      className="flex flex-wrap items-end gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        onReject(String(new FormData(event.currentTarget).get("reason")));
      }}
    >
      <Field
        className="min-w-60 flex-1 basis-full sm:basis-60"
        label="Why? The pilot will read this."
        name="reason"
        maxLength={2_000}
        required
        autoFocus
      />
      <Button tone="danger" type="submit" busy={busy}>
        Reject
      </Button>
      <Button onClick={onBack}>Back</Button>
    </form>
  );
}

function useDecision(pirep: Pirep) {
  const queries = useQueryClient();
  // The decision names the version that was seen: a second reviewer is told of the first one's.
  const params = { path: { id: pirep.id }, header: { "If-Match": `"${pirep.version}"` } };
  const onSettled = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["pirep", pirep.id] }),
      queries.invalidateQueries({ queryKey: ["pireps"] }),
    ]);
  const accept = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/pireps/{id}/accept", { params, body: {} })),
    onSettled,
  });
  const reject = useMutation({
    mutationFn: (reason: string) =>
      answer(api.POST("/api/v1/pireps/{id}/reject", { params, body: { reason } })),
    onSettled,
  });
  const error = accept.error ?? reject.error;
  return { accept, reject, error, outdated: error instanceof Failure && error.status === 412 };
}
