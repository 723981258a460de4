import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { answer, api } from "../api/client";
import type { Pirep } from "../api/types";
import type { Track } from "../lib/geo";
import { FailureNotice, Skeleton } from "./notice";

/** The map's library is a third of the page; only those who look at a flight load it. */
const TrackMap = lazy(() => import("./track-map").then(({ TrackMap }) => ({ default: TrackMap })));
const Profile = lazy(() => import("./profile").then(({ Profile }) => ({ default: Profile })));

/** Map and profile of one flight; they share a cursor. */
export function FlightTrack({ pirep }: { pirep: Pirep }) {
  const [cursor, setCursor] = useState<number | null>(null);
  const { id } = pirep;
  const track = useQuery({
    queryKey: ["track", id, pirep.track.positions],
    enabled: pirep.track.positions > 1,
    placeholderData: (before) => before,
    queryFn: async () => {
      const collection = await answer(api.GET("/api/v1/pireps/{id}/track", { params: { path: { id } } }));
      return (collection.features[0] as Track | undefined) ?? null;
    },
  });
  if (pirep.track.positions <= 1) return null;
  if (track.error) return <FailureNotice error={track.error} onRetry={() => track.refetch()} />;
  if (!track.data) return <Skeleton rows={8} />;
  return (
    <section aria-label="Track" className="flex flex-col gap-3">
      <Suspense fallback={<Skeleton rows={8} />}>
        <TrackMap track={track.data} cursor={cursor} />
        <Profile track={track.data} onCursor={setCursor} />
      </Suspense>
    </section>
  );
}
