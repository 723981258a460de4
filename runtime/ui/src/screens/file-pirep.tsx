import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Pirep } from "../api/types";
import { Button } from "../components/button";
import { FlightFields } from "../components/flight-fields";
import { FailureNotice } from "../components/notice";
import { shown, whole } from "../lib/filing";
import { useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";
import { uuid } from "../lib/uuid";

/** A flight by hand, after the fact: six fields are enough. */
export function FilePirep({ draft }: { draft?: Pirep }) {
  const me = useMe();
  usePageTitle("File a flight", me.data?.tenant.displayName);
  // Named by this page, so that a second click or a retry after a lost answer files nothing twice.
  const [id] = useState(() => draft?.id ?? uuid());
  const file = useFiling(id, draft);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    file.mutate({ form: new FormData(event.currentTarget), submit: true });
  };
  const complaints = file.error instanceof Failure ? file.error : undefined;
  return (
    <form onSubmit={submit} className="flex max-w-xl flex-col gap-6">
      <div>
        <h1 className="font-semibold text-lg">File a flight</h1>
        <p className="text-muted">One that you flew without an ACARS client. All times are UTC.</p>
      </div>
      <FlightFields values={shown(draft)} complaint={(pointer) => complaints?.field(pointer)} />
      {file.error && <FailureNotice error={file.error} />}
      <div className="flex flex-wrap gap-2">
        <Button tone="primary" type="submit" busy={file.isPending}>
          Submit for review
        </Button>
        <Button
          disabled={file.isPending}
          onClick={({ currentTarget: { form } }) =>
            form && file.mutate({ form: new FormData(form), submit: false })
          }
        >
          Save draft
        </Button>
      </div>
    </form>
  );
}

function useFiling(id: string, draft: Pirep | undefined) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: async ({ form, submit }: { form: FormData; submit: boolean }) => {
      const path = { id };
      const body = { intent: "draft" as const, ...whole(draft, form) };
      const written = await answer(api.PUT("/api/v1/pireps/{id}", { params: { path }, body }));
      if (!submit) return written;
      const header = { "Idempotency-Key": `submit-${id}-${written.version}` };
      return answer(api.POST("/api/v1/pireps/{id}/submit", { params: { path, header }, body: {} }));
    },
    onSuccess: (pirep) => {
      queries.setQueryData(["pirep", id], pirep);
      queries.invalidateQueries({ queryKey: ["pireps"] });
      navigate({ to: "/pireps/$id", params: { id } });
    },
  });
}
