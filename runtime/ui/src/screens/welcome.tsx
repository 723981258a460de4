import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../api/client";
import { Button } from "../components/button";
import { AirlineCard } from "../components/card";
import { FailureNotice } from "../components/notice";
import { PasswordForm } from "../components/password-form";

/** Where a one-time link leads. The token stands behind the `#`, so no server log ever sees it. */
export function Welcome() {
  const [token] = useState(() => window.location.hash.slice(1));
  const queries = useQueryClient();
  const navigate = useNavigate();
  const enter = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/auth/link", { body: { token } })),
    onSuccess: () => {
      window.history.replaceState(null, "", "/welcome");
      queries.clear();
    },
  });
  if (enter.isSuccess) {
    return (
      <AirlineCard title="Welcome">
        <p>You are signed in. Choose a password for the next time.</p>
        <PasswordForm email={enter.data.user.email} askCurrent={false} onDone={() => navigate({ to: "/" })} />
      </AirlineCard>
    );
  }
  return (
    <AirlineCard title="Welcome">
      {token ? (
        <>
          <p>This link signs you in once. It is used up when you continue.</p>
          {enter.error && <FailureNotice error={enter.error} />}
          <Button tone="primary" busy={enter.isPending} onClick={() => enter.mutate()}>
            Continue
          </Button>
        </>
      ) : (
        <p>
          This address lacks its one-time token. Open the whole link again, or{" "}
          <Link to="/sign-in" className="text-accent underline">
            sign in
          </Link>
          .
        </p>
      )}
    </AirlineCard>
  );
}
