import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Pirep } from "../api/types";
import { Button } from "./button";
import { FailureNotice } from "./notice";

/** What its pilot may do next with a flight that nobody has decided. */
export function OwnFlight({ pirep }: { pirep: Pirep }) {
  const { state, id } = pirep;
  if (state === "Draft") {
    return (
      <Link
        to="/pireps/$id/edit"
        params={{ id }}
        className="inline-flex h-9 items-center self-start rounded-md bg-accent px-3 font-medium text-on-accent hover:opacity-90 pointer-coarse:h-11"
      >
        Go on with this draft
      </Link>
    );
  }
  if (state === "Cancelled") return <Restore pirep={pirep} />;
  if (["InProgress", "Paused", "Submitted"].includes(state)) return <Cancel pirep={pirep} />;
  return null;
}

export function Restore({ pirep }: { pirep: Pirep }) {
  const restore = useChange(pirep.id, () =>
    answer(api.POST("/api/v1/pireps/{id}/restore", { params: { path: { id: pirep.id } } })),
  );
  return (
    <div className="flex flex-col gap-3">
      {restore.error && <FailureNotice error={restore.error} />}
      <Button className="self-start" busy={restore.isPending} onClick={() => restore.mutate()}>
        Restore this flight
      </Button>
    </div>
  );
}

function Cancel({ pirep }: { pirep: Pirep }) {
  const [sure, setSure] = useState(false);
  const cancel = useChange(pirep.id, () =>
    answer(api.POST("/api/v1/pireps/{id}/cancel", { params: { path: { id: pirep.id } }, body: {} })),
  );
  return (
    <div className="flex flex-col gap-3">
      {cancel.error && <FailureNotice error={cancel.error} />}
      {sure ? (
        <div className="flex flex-wrap items-center gap-2">
          <p className="mr-2">It will not count. It is kept, and you can restore it.</p>
          <Button tone="danger" busy={cancel.isPending} onClick={() => cancel.mutate()} autoFocus>
            Cancel this flight
          </Button>
          <Button onClick={() => setSure(false)}>Back</Button>
        </div>
      ) : (
        <Button className="self-start" onClick={() => setSure(true)}>
          Cancel this flight…
        </Button>
      )}
    </div>
  );
}

function useChange(id: string, mutationFn: () => Promise<Pirep>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn,
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["pirep", id] }),
        queries.invalidateQueries({ queryKey: ["pireps"] }),
      ]),
  });
}
