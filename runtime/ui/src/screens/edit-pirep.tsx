import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import type { Me, Pirep } from "../api/types";
import { Button, buttonLook } from "../components/button";
import { Field } from "../components/field";
import { FlightFields } from "../components/flight-fields";
import { Icon } from "../components/icon";
import { Empty, FailureNotice, Skeleton } from "../components/notice";
import { allowed, isOwn } from "../lib/actions";
import { changes, type FieldName, rebased, shown, typed, type Values } from "../lib/filing";
import { orDash } from "../lib/format";
import { useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";
import { useSelfReview } from "../lib/use-self-review";
import { FilePirep } from "./file-pirep";

/** Its pilot goes on with a draft; anything else is changed as far as it may be. */
export function EditPirep({ id }: { id: string }) {
  const me = useMe();
  const pirep = useQuery({ queryKey: ["pirep", id], queryFn: () => read(id) });
  if (!pirep.data || !me.data) {
    if (!pirep.error) return <Skeleton blocks={["h-9", "h-96"]} />;
    return <FailureNotice error={pirep.error} onRetry={() => pirep.refetch()} />;
  }
  if (pirep.data.state === "Draft" && isOwn(pirep.data, me.data)) return <FilePirep draft={pirep.data} />;
  return <ChangePirep pirep={pirep.data} me={me.data} />;
}

function read(id: string): Promise<Pirep> {
  return answer(api.GET("/api/v1/pireps/{id}", { params: { path: { id } } }));
}

function ChangePirep({ pirep, me }: { pirep: Pirep; me: Me }) {
  usePageTitle(`Change ${pirep.plan.flightNumber ?? "a flight"}`, me.tenant.displayName);
  const change = useChange(pirep);
  const { base, values, clashes } = change.based;
  const own = isOwn(pirep, me);
  const selfReview = useSelfReview(pirep, me);
  const measured = own && !selfReview && pirep.source.kind === "Acars";
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    change.mutate(new FormData(event.currentTarget));
  };
  const failure = change.error instanceof Failure ? change.error : undefined;
  const outdated = failure?.status === 412;
  const complaint = (pointer: string) => {
    const theirs = clashes[pointer.split("/").at(-1) as FieldName];
    return theirs === undefined ? failure?.field(pointer) : `Somebody else wrote: ${orDash(theirs)}`;
  };
  const back = { to: "/pireps/$id", params: { id: pirep.id } } as const;
  if (!allowed(pirep, me, selfReview).includes("edit")) {
    return (
      <Empty title="This report is not yours to change now">
        <Link {...back} className="text-accent underline underline-offset-4">
          Back to the flight
        </Link>
      </Empty>
    );
  }
  return (
    <form onSubmit={submit} className="flex max-w-xl flex-col gap-6">
      <div>
        <h1 className="font-semibold text-lg">
          Change <span className="font-mono">{orDash(pirep.plan.flightNumber)}</span>
        </h1>
        <p className="text-muted">
          {measured ? "What was measured stays as it is." : "All times are UTC."} The history shows what you
          change.
        </p>
      </div>
      <FlightFields key={base.version} values={values} complaint={complaint} measured={measured} filed />
      {!own && (
        <Field
          label="Why? The pilot will read this."
          name="reason"
          error={failure?.field("/reason")}
          maxLength={2_000}
          required
          long
        />
      )}
      {outdated && (
        <p role="alert" className="flex gap-2">
          <Icon name="warning" className="mt-0.5 size-4 text-wait" />
          Somebody changed this report meanwhile. You see the newest with your changes upon it; save again if
          that is right.
        </p>
      )}
      {change.error && !outdated && <FailureNotice error={change.error} />}
      <div className="flex flex-wrap gap-2">
        <Button tone="primary" type="submit" busy={change.isPending}>
          Save changes
        </Button>
        <Link {...back} className={buttonLook("plain")}>
          Back
        </Link>
      </div>
    </form>
  );
}

type Based = { base: Pirep; values: Values; clashes: Partial<Values> };

/** Names the version that the form began with. After somebody else's change it begins anew with theirs below one's own. */
function useChange(pirep: Pirep) {
  const { id } = pirep;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [based, setBased] = useState<Based>({ base: pirep, values: shown(pirep), clashes: {} });
  const change = useMutation({
    mutationFn: async (form: FormData) => {
      const before = shown(based.base);
      const after = typed(form, before);
      const reason = form.has("reason") ? { reason: String(form.get("reason")) } : {};
      const body = { ...changes(before, after), ...reason };
      const header = { "If-Match": `"${based.base.version}"` };
      try {
        return await answer(api.PATCH("/api/v1/pireps/{id}", { params: { path: { id }, header }, body }));
      } catch (error) {
        if (error instanceof Failure && error.status === 412) {
          const newest = await read(id);
          queries.setQueryData(["pirep", id], newest);
          setBased({ base: newest, ...rebased(before, after, shown(newest)) });
        }
        throw error;
      }
    },
    onSuccess: (changed) => {
      queries.setQueryData(["pirep", id], changed);
      queries.invalidateQueries({ queryKey: ["pireps"] });
      navigate({ to: "/pireps/$id", params: { id } });
    },
  });
  return { ...change, based };
}
