import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { usePageTitle } from "../lib/use-page-title";

/** The airline's own card in the middle of an otherwise empty page: sign-in and first visit. */
export function AirlineCard({ title, children }: { title: string; children: React.ReactNode }) {
  const airline = useQuery({ queryKey: ["airline"], queryFn: () => answer(api.GET("/api/v1/airline")) });
  usePageTitle(title, airline.data?.displayName);
  return (
    <main className="flex min-h-dvh items-center justify-center p-4">
      <div className="flex w-full max-w-sm flex-col gap-6 rounded-lg border border-line bg-surface p-6">
        <div className="flex items-center gap-3">
          <img src="/albatross.svg" alt="" className="size-10" />
          <div className="min-w-0">
            <h1 className="break-words font-semibold text-lg">
              {airline.data?.displayName ?? (airline.isPending ? "\u00a0" : "Albatross")}
            </h1>
            <p className="font-mono text-muted text-xs">{airline.data?.icaoCode ?? "\u00a0"}</p>
          </div>
        </div>
        {children}
      </div>
    </main>
  );
}
