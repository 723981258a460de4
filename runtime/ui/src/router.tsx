import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import { PIREP_STATES, type PirepState } from "./api/types";
import { Account } from "./screens/account";
import { EditPirep } from "./screens/edit-pirep";
import { FilePirep } from "./screens/file-pirep";
import { NotFound } from "./screens/not-found";
import { PirepList } from "./screens/pirep-list";
import { PirepPage } from "./screens/pirep-page";
import { Shell } from "./screens/shell";
import { SignIn } from "./screens/sign-in";
import { Welcome } from "./screens/welcome";

const root = createRootRoute({ notFoundComponent: NotFound });
const welcome = createRoute({ getParentRoute: () => root, path: "/welcome", component: Welcome });
const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  // Named even when it is refused: what a route does not name passes through.
  validateSearch: ({ next }: Record<string, unknown>): { next?: string | undefined } => ({
    next: isPage(next) ? next : undefined,
  }),
  component: function SignInRoute() {
    const { next = "/" } = signIn.useSearch();
    return <SignIn next={next} />;
  },
});

/** Everything behind the sign-in shares the shell: header, navigation, live updates. */
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });
const list = createRoute({
  getParentRoute: () => shell,
  path: "/",
  validateSearch: ({ state }: Record<string, unknown>): { state?: PirepState | undefined } => ({
    state: PIREP_STATES.find((name) => name === state),
  }),
  component: function ListRoute() {
    return <PirepList state={list.useSearch().state} />;
  },
});
const file = createRoute({ getParentRoute: () => shell, path: "/file", component: () => <FilePirep /> });
const edit = createRoute({
  getParentRoute: () => shell,
  path: "/pireps/$id/edit",
  component: function EditRoute() {
    return <EditPirep id={edit.useParams().id} />;
  },
});
const account = createRoute({ getParentRoute: () => shell, path: "/account", component: Account });
const pirep = createRoute({
  getParentRoute: () => shell,
  path: "/pireps/$id",
  component: function PirepRoute() {
    return <PirepPage id={pirep.useParams().id} />;
  },
});

/** One of this site's own pages: never a way to somebody else's. */
function isPage(next: unknown): next is string {
  return typeof next === "string" && /^\/(?![/\\])/.test(next);
}

export const router = createRouter({
  routeTree: root.addChildren([signIn, welcome, shell.addChildren([list, file, account, pirep, edit])]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
