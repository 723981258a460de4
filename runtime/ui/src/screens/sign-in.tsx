import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import type { FormEvent } from "react";
import { answer, api } from "../api/client";
import { Button } from "../components/button";
import { AirlineCard } from "../components/card";
import { Field } from "../components/field";
import { FailureNotice } from "../components/notice";

/** Leads to the page that was asked for before. */
export function SignIn({ next }: { next: string }) {
  const queries = useQueryClient();
  const router = useRouter();
  const signIn = useMutation({
    mutationFn: (body: { email: string; password: string }) =>
      answer(api.POST("/api/v1/auth/login", { body })),
    onSuccess: () => {
      queries.clear();
      router.history.push(next);
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    signIn.mutate({ email: String(form.get("email")), password: String(form.get("password")) });
  };
  return (
    <AirlineCard title="Sign in">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
        <Field label="Password" name="password" type="password" autoComplete="current-password" required />
        {signIn.error && <FailureNotice error={signIn.error} />}
        <Button tone="primary" type="submit" busy={signIn.isPending}>
          Sign in
        </Button>
      </form>
      <p className="text-muted text-xs">
        No password yet? Open the one-time link that your airline gave you.
      </p>
    </AirlineCard>
  );
}
