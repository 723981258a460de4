import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { answer, api } from "../api/client";
import type { Pirep } from "../api/types";
import { clock } from "../lib/format";
import type { Track } from "../lib/geo";
import { FailureNotice, Skeleton } from "./notice";
import { Profile } from "./profile";
import { Readout } from "./readout";

/** The map's projections are loaded by those who look at a flight. */
const TrackMap = lazy(() => import("./track-map").then(({ TrackMap }) => ({ default: TrackMap })));

const MAP_HEIGHT = "h-64 sm:h-105";

/** Map and profile of one flight; they share a cursor. */
export function FlightTrack({ pirep }: { pirep: Pirep }) {
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
  return (
    <section aria-label="Track" className="flex flex-col gap-3">
      {track.error && <FailureNotice error={track.error} onRetry={() => track.refetch()} />}
      {track.isPending && <Skeleton blocks={[MAP_HEIGHT, "h-60"]} />}
      {track.data && <Drawn track={track.data} pirep={pirep} />}
    </section>
  );
}

function Drawn({ track, pirep }: { track: Track; pirep: Pirep }) {
  const [cursor, setCursor] = useState<number | null>(null);
  const { departure, arrival } = pirep.plan;
  // Who is still flying has not arrived: the end of the line is where and when they were last seen.
  const flying = pirep.state === "InProgress" || pirep.state === "Paused";
  const end = flying ? clock(track.properties.times.at(-1)) : (pirep.report.actualArrival ?? arrival);
  const ends: [string, string] = [departure ?? "", end ?? ""];
  return (
    <>
      <Suspense fallback={<Skeleton blocks={[MAP_HEIGHT]} />}>
        <TrackMap track={track} ends={ends} cursor={cursor} onCursor={setCursor} className={MAP_HEIGHT} />
      </Suspense>
      <div className="rounded-lg border border-line bg-surface">
        <Readout track={track} cursor={cursor} />
        <Profile track={track} cursor={cursor} onCursor={setCursor} />
      </div>
    </>
  );
}
