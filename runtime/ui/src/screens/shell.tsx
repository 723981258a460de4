import { Link, Outlet, useLocation, useRouter } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { Failure } from "../api/failure";
import { type Connection, useLiveUpdates } from "../api/stream";
import type { Me } from "../api/types";
import { Icon } from "../components/icon";
import { FailureNotice, Skeleton } from "../components/notice";
import { SignOut } from "../components/sign-out";
import { useMe } from "../lib/use-me";

const WIDTH = "mx-auto w-full max-w-5xl px-4";

export function Shell() {
  const me = useMe();
  if (me.error instanceof Failure && me.error.status === 401) return <ToSignIn />;
  if (me.data) return <SignedIn me={me.data} />;
  return (
    <main className={`${WIDTH} py-4`}>
      {me.error ? (
        <FailureNotice error={me.error} onRetry={() => me.refetch()} />
      ) : (
        <Skeleton blocks={["h-9", "h-96"]} />
      )}
    </main>
  );
}

/** Leads to the sign-in, once, which leads back to what was asked for. */
function ToSignIn() {
  const router = useRouter();
  useEffect(() => {
    const { href } = router.state.location;
    router.navigate({ to: "/sign-in", search: href === "/" ? {} : { next: href }, replace: true });
  }, [router]);
  return null;
}

function SignedIn({ me }: { me: Me }) {
  const connection = useLiveUpdates();
  const main = useFocusOnNewScreen();
  return (
    <div className="flex min-h-dvh flex-col">
      <a href="#main" className="sr-only focus:not-sr-only focus:p-2">
        Skip to content
      </a>
      <header className="border-line border-b bg-surface">
        <div className={`${WIDTH} flex items-center gap-x-1 py-2 sm:gap-x-2`}>
          <Link to="/" className="mr-auto flex min-w-0 items-center gap-2 font-semibold text-base sm:mr-4">
            <img src="/albatross.svg" alt="" className="size-6" />
            <span className="truncate">{me.tenant.displayName}</span>
            <span className="hidden font-mono text-muted text-xs sm:inline">{me.tenant.icaoCode}</span>
          </Link>
          <nav aria-label="Main" className="flex sm:mr-auto sm:gap-1">
            <Tab to="/">Logbook</Tab>
            <Tab to="/file">File</Tab>
          </nav>
          <ConnectionState connection={connection} />
          <Tab to="/account">
            <Icon name="person" />
            <span className="sr-only sm:not-sr-only">{me.user.displayName}</span>
          </Tab>
          <SignOut className="max-sm:hidden" />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} className={`${WIDTH} flex flex-1 flex-col py-6 outline-none`}>
        <Outlet />
      </main>
    </div>
  );
}

/** Each screen begins at its top, also for those who listen or have no pointer. */
function useFocusOnNewScreen() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return main;
}

const WORDS: Record<Connection, string> = { connecting: "Connecting…", live: "Live", offline: "Offline" };

function ConnectionState({ connection }: { connection: Connection }) {
  const offline = connection === "offline";
  return (
    <span
      role="status"
      className={`flex items-center gap-1.5 text-xs sm:mx-2 ${offline ? "font-medium text-wait" : "text-muted"}`}
    >
      {offline ? (
        <Icon name="warning" />
      ) : (
        <span
          aria-hidden="true"
          className={`size-2 rounded-full ${connection === "live" ? "bg-good" : "border border-muted"}`}
        />
      )}
      <span className="sr-only sm:not-sr-only">{WORDS[connection]}</span>
    </span>
  );
}

function Tab({ to, children }: { to: "/" | "/file" | "/account"; children: React.ReactNode }) {
  return (
    <Link
      to={to}
      activeOptions={{ exact: true, includeSearch: false }}
      className="inline-flex h-9 items-center gap-2 whitespace-nowrap rounded-md px-3 hover:bg-sunken max-sm:px-2 pointer-coarse:h-11 pointer-coarse:min-w-11 pointer-coarse:justify-center"
      activeProps={{ className: "bg-accent-soft font-medium", "aria-current": "page" }}
    >
      {children}
    </Link>
  );
}
