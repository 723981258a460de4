import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import { Account } from "./screens/account";
import { FilePirep } from "./screens/file-pirep";
import { NotFound } from "./screens/not-found";
import { PirepList } from "./screens/pirep-list";
import { PirepPage } from "./screens/pirep-page";
import { Shell } from "./screens/shell";
import { SignIn } from "./screens/sign-in";
import { Welcome } from "./screens/welcome";

const root = createRootRoute({ notFoundComponent: NotFound });
const signIn = createRoute({ getParentRoute: () => root, path: "/sign-in", component: SignIn });
const welcome = createRoute({ getParentRoute: () => root, path: "/welcome", component: Welcome });

/** Everything behind the sign-in shares the shell: header, navigation, live updates. */
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });
const list = createRoute({ getParentRoute: () => shell, path: "/", component: PirepList });
const file = createRoute({ getParentRoute: () => shell, path: "/file", component: FilePirep });
const account = createRoute({ getParentRoute: () => shell, path: "/account", component: Account });
export const pirep = createRoute({
  getParentRoute: () => shell,
  path: "/pireps/$id",
  component: function PirepRoute() {
    const { id } = pirep.useParams();
    return <PirepPage id={id} />;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([signIn, welcome, shell.addChildren([list, file, account, pirep])]),
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
