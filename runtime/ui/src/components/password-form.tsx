import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import { Button } from "./button";
import { Field } from "./field";
import { FailureNotice } from "./notice";

const MIN_LENGTH = 12;

type Passwords = { currentPassword?: string; newPassword: string };

type Props = { email: string | null | undefined; askCurrent: boolean; onDone: () => void };

/** Sets a password; the first one after a one-time link needs no old one. */
export function PasswordForm({ email, askCurrent, onDone }: Props) {
  const change = useMutation({
    mutationFn: (body: Passwords) => answer(api.PUT("/api/v1/me/password", { body })),
    onSuccess: onDone,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const newPassword = String(form.get("newPassword"));
    change.mutate(
      askCurrent ? { currentPassword: String(form.get("currentPassword")), newPassword } : { newPassword },
    );
  };
  const complaint = change.error instanceof Failure ? change.error.field("/newPassword") : undefined;
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {/* Whose password it is, for the browser that keeps it. */}
      <input type="email" autoComplete="username" defaultValue={email ?? ""} readOnly hidden />
      {askCurrent && (
        <Field
          label="Current password"
          name="currentPassword"
          type="password"
          autoComplete="current-password"
          required
        />
      )}
      <Field
        label="New password"
        name="newPassword"
        type="password"
        autoComplete="new-password"
        minLength={MIN_LENGTH}
        hint={`At least ${MIN_LENGTH} characters; a few words are fine.`}
        error={complaint}
        required
      />
      {change.error && !complaint && <FailureNotice error={change.error} />}
      <Button tone="primary" type="submit" busy={change.isPending}>
        Save password
      </Button>
    </form>
  );
}
