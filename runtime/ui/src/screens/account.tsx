import { useState } from "react";
import { Icon } from "../components/icon";
import { PasswordForm } from "../components/password-form";
import { SignOut } from "../components/sign-out";
import { useMe } from "../lib/use-me";
import { usePageTitle } from "../lib/use-page-title";
import { words } from "../lib/words";

export function Account() {
  const me = useMe();
  const [changes, setChanges] = useState(0);
  usePageTitle("Account", me.data?.tenant.displayName);
  if (!me.data) return null;
  const { user } = me.data;
  return (
    <div className="flex max-w-sm flex-col gap-8">
      <section className="flex flex-col gap-4">
        <div>
          <h1 className="font-semibold text-lg">{user.displayName}</h1>
          <p className="break-words text-muted">{user.email}</p>
          <p className="text-muted">{user.roles.map(words).join(", ")}</p>
        </div>
        <SignOut className="self-start sm:hidden" />
      </section>
      <section aria-labelledby="change-password" className="flex flex-col gap-4">
        <div>
          <h2 id="change-password" className="font-semibold text-base">
            Change password
          </h2>
          <p className="text-muted">Every other session of yours ends when it changes.</p>
        </div>
        <PasswordForm
          key={changes}
          email={user.email}
          askCurrent
          onDone={() => setChanges((count) => count + 1)}
        />
        <p role="status" className="text-good">
          {changes > 0 && (
            <span className="flex items-center gap-2">
              <Icon name="check" /> Your password is changed.
            </span>
          )}
        </p>
      </section>
    </div>
  );
}
