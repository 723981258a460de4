import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import { Button } from "../components/button";
import { Field } from "../components/field";
import { FailureNotice } from "../components/notice";
import { uuid } from "../lib/uuid";

const MINUTE_MS = 60_000;

/** A flight by hand, after the fact: six fields are enough. */
export function FilePirep() {
  // Named by this page, so that a second click or a retry after a lost answer files nothing twice.
  const [id] = useState(uuid);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const file = useMutation({
    mutationFn: async (form: FormData) => {
      const path = { id };
      const text = (name: string) => String(form.get(name) ?? "").trim();
      await answer(
        api.PUT("/api/v1/pireps/{id}", {
          params: { path },
          body: {
            intent: "draft",
            plan: {
              flightNumber: text("flightNumber").toUpperCase(),
              departure: text("departure").toUpperCase(),
              arrival: text("arrival").toUpperCase(),
              aircraftType: text("aircraftType").toUpperCase(),
            },
          },
        }),
      );
      return answer(
        api.POST("/api/v1/pireps/{id}/submit", {
          params: { path, header: { "Idempotency-Key": `submit-${id}` } },
          body: { report: blockTimes(text("offBlock"), text("onBlock")) },
        }),
      );
    },
    onSuccess: (pirep) => {
      queries.invalidateQueries({ queryKey: ["pireps"] });
      navigate({ to: "/pireps/$id", params: { id: pirep.id } });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    file.mutate(new FormData(event.currentTarget));
  };
  const complaint = (pointer: string) =>
    file.error instanceof Failure ? file.error.field(pointer) : undefined;
  return (
    <form onSubmit={submit} className="flex max-w-xl flex-col gap-4">
      <h1 className="font-semibold text-lg">File a flight</h1>
      <div className="grid grid-cols-1 gap-4 sm:grid-cols-2">
        <Field
          label="Flight number"
          name="flightNumber"
          error={complaint("/plan/flightNumber")}
          maxLength={10}
          required
          code
        />
        <Field
          label="Aircraft type"
          name="aircraftType"
          hint="ICAO designator, such as B744"
          error={complaint("/plan/aircraftType")}
          maxLength={4}
          required
          code
        />
        <Field
          label="Departure"
          name="departure"
          hint="ICAO code, such as LIRF"
          error={complaint("/plan/departure")}
          maxLength={4}
          required
          code
        />
        <Field
          label="Arrival"
          name="arrival"
          hint="ICAO code, such as LLBG"
          error={complaint("/plan/arrival")}
          maxLength={4}
          required
          code
        />
        <Field
          label="Off block (UTC)"
          name="offBlock"
          type="datetime-local"
          error={complaint("/report/offBlockAt")}
          required
        />
        <Field
          label="On block (UTC)"
          name="onBlock"
          type="datetime-local"
          error={complaint("/report/onBlockAt")}
          required
        />
      </div>
      {file.error && <FailureNotice error={file.error} />}
      <div>
        <Button tone="primary" type="submit" busy={file.isPending}>
          Submit for review
        </Button>
      </div>
    </form>
  );
}

/** The two times as typed, in UTC, and the minutes between them. */
function blockTimes(offBlock: string, onBlock: string) {
  const [offBlockAt, onBlockAt] = [new Date(`${offBlock}Z`), new Date(`${onBlock}Z`)];
  return {
    offBlockAt: offBlockAt.toISOString(),
    onBlockAt: onBlockAt.toISOString(),
    blockTimeMin: Math.round((onBlockAt.getTime() - offBlockAt.getTime()) / MINUTE_MS),
  };
}
