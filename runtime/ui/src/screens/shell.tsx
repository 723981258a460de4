import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, Navigate, Outlet, useNavigate } from "@tanstack/react-router";
import { answer, api } from "../api/client";
import { Failure } from "../api/failure";
import { useLiveUpdates } from "../api/stream";
import type { Me } from "../api/types";
import { Button } from "../components/button";
import { FailureNotice, Skeleton } from "../components/notice";
import { useMe } from "../lib/use-me";

export function Shell() {
  const me = useMe();
  if (me.data) return <SignedIn me={me.data} />;
  if (me.error instanceof Failure && me.error.status === 401) return <Navigate to="/sign-in" />;
  return (
    <main className="mx-auto max-w-5xl p-4">
      {me.error ? <FailureNotice error={me.error} onRetry={() => me.refetch()} /> : <Skeleton rows={8} />}
    </main>
  );
}

function SignedIn({ me }: { me: Me }) {
  const live = useLiveUpdates();
  return (
    <div className="flex min-h-dvh flex-col">
      <a href="#main" className="sr-only focus:not-sr-only focus:p-2">
        Skip to content
      </a>
      <header className="border-line border-b bg-surface">
        <div className="mx-auto flex max-w-5xl flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
          <Link to="/" className="flex items-center gap-2 font-semibold text-base">
            <img src="/albatross.svg" alt="" className="size-6" />
            {me.tenant.displayName}
            <span className="font-mono text-muted text-xs">{me.tenant.icaoCode}</span>
          </Link>
          <nav aria-label="Main" className="flex gap-1">
            <Tab to="/">Logbook</Tab>
            <Tab to="/file">File</Tab>
          </nav>
          <span className="ml-auto text-muted text-xs" role="status">
            {live ? "Live" : "Connecting…"}
          </span>
          <Tab to="/account">{me.user.displayName}</Tab>
          <SignOut />
        </div>
      </header>
      <main id="main" className="mx-auto w-full max-w-5xl flex-1 p-4">
        <Outlet />
      </main>
    </div>
  );
}

function Tab({ to, children }: { to: "/" | "/file" | "/account"; children: React.ReactNode }) {
  return (
    <Link
      to={to}
      activeOptions={{ exact: true }}
      className="inline-flex h-9 items-center rounded-md px-3 hover:bg-sunken pointer-coarse:h-11"
      activeProps={{ className: "bg-accent-soft font-medium", "aria-current": "page" }}
    >
      {children}
    </Link>
  );
}

function SignOut() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const signOut = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/auth/logout")),
    onSuccess: () => {
      queries.clear();
      navigate({ to: "/sign-in" });
    },
  });
  return (
    <Button busy={signOut.isPending} onClick={() => signOut.mutate()}>
      Sign out
    </Button>
  );
}
