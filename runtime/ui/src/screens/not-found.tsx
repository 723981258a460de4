import { Link } from "@tanstack/react-router";
import { Empty } from "../components/notice";
import { usePageTitle } from "../lib/use-page-title";

export function NotFound() {
  usePageTitle("Not found", undefined);
  return (
    <main className="mx-auto max-w-3xl p-4">
      <Empty title="There is nothing here">
        The address may be mistyped, or what it named may be gone.{" "}
        <Link to="/" className="text-accent underline">
          Back to the logbook
        </Link>
      </Empty>
    </main>
  );
}
