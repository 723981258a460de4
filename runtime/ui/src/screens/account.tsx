import { useNavigate } from "@tanstack/react-router";
import { PasswordForm } from "../components/password-form";
import { useMe } from "../lib/use-me";

export function Account() {
  const me = useMe();
  const navigate = useNavigate();
  if (!me.data) return null;
  const { user } = me.data;
  return (
    <div className="flex max-w-sm flex-col gap-6">
      <div>
        <h1 className="font-semibold text-lg">{user.displayName}</h1>
        <p className="text-muted">{user.email}</p>
        <p className="text-muted">{user.roles.join(", ")}</p>
      </div>
      <section className="flex flex-col gap-3">
        <h2 className="font-semibold text-base">Change password</h2>
        <p className="text-muted">Every other session of yours ends when it changes.</p>
        <PasswordForm askCurrent onDone={() => navigate({ to: "/" })} />
      </section>
    </div>
  );
}
