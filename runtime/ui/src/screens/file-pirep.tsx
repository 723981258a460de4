import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Pirep } from "../api/types";
import { Button } from "../components/button";
import { Field } from "../components/field";
import { Icon } from "../components/icon";
import { FailureNotice, Skeleton } from "../components/notice";
import { filing } from "../lib/filing";
import { useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";
import { uuid } from "../lib/uuid";

/** A draft of before, to go on with. */
export function EditDraft({ id }: { id: string }) {
  const draft = useQuery({
    queryKey: ["pirep", id],
    queryFn: () => answer(api.GET("/api/v1/pireps/{id}", { params: { path: { id } } })),
  });
  if (draft.data) return <FilePirep draft={draft.data} />;
  if (!draft.error) return <Skeleton blocks={["h-9", "h-96"]} />;
  return <FailureNotice error={draft.error} onRetry={() => draft.refetch()} />;
}

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
      <Fields draft={draft} complaint={(pointer) => complaints?.field(pointer)} />
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
      const typed = filing(form);
      // What the form does not ask for stays as it was.
      const body = { intent: "draft" as const, ...typed, plan: { ...draft?.plan, ...typed.plan } };
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

type FieldsProps = { draft: Pirep | undefined; complaint: (pointer: string) => string | undefined };

function Fields({ draft, complaint }: FieldsProps) {
  const known = { plan: draft?.plan, report: draft?.report } as const;
  const plan = (name: keyof Pirep["plan"]) => ({
    name,
    defaultValue: known.plan?.[name] ?? "",
    error: complaint(`/plan/${name}`),
  });
  const report = (name: keyof Pirep["report"]) => ({
    name,
    defaultValue: known.report?.[name] ?? "",
    error: complaint(`/report/${name}`),
  });
  const time = (name: "offBlockAt" | "onBlockAt") => ({
    ...report(name),
    type: "datetime-local",
    defaultValue: known.report?.[name]?.slice(0, "2019-11-03T09:28".length) ?? "",
  });
  const pair = "grid grid-cols-1 gap-4 sm:grid-cols-2";
  return (
    <>
      <div className={pair}>
        <Field label="Flight number" {...plan("flightNumber")} maxLength={10} required code />
        <Field
          label="Aircraft type"
          {...plan("aircraftType")}
          hint="Such as B744"
          maxLength={4}
          required
          code
        />
        <Field
          label="Departure"
          {...plan("departure")}
          hint="ICAO code, such as LIRF"
          maxLength={4}
          required
          code
        />
        <Field
          label="Arrival"
          {...plan("arrival")}
          hint="ICAO code, such as LLBG"
          maxLength={4}
          required
          code
        />
        <Field label="Off block" unit="UTC" {...time("offBlockAt")} required />
        <Field label="On block" unit="UTC" {...time("onBlockAt")} required />
      </div>
      <details className="group rounded-lg border border-line bg-surface">
        <summary className="flex h-9 cursor-pointer items-center gap-2 rounded-lg px-4 font-medium pointer-coarse:h-11">
          <Icon name="chevron" className="size-4 group-open:rotate-90" />
          More about the flight
        </summary>
        <div className={`${pair} border-line border-t p-4`}>
          <Field label="Registration" {...plan("registration")} maxLength={10} code />
          <Field label="Network" {...plan("network")} hint="Such as Offline, VATSIM or IVAO" maxLength={20} />
          <Field
            label="Fuel used"
            unit="kg"
            {...report("fuelUsedKg")}
            type="number"
            min={0}
            inputMode="numeric"
          />
          <Field
            label="Landing rate"
            unit="fpm"
            {...report("landingRateFpm")}
            type="number"
            hint="Such as -142"
          />
          <Field className="sm:col-span-2" label="Route" {...plan("route")} code />
          <Field
            className="sm:col-span-2"
            label="Remarks"
            name="remarks"
            defaultValue={draft?.remarks ?? ""}
            error={complaint("/remarks")}
            long
          />
        </div>
      </details>
    </>
  );
}
