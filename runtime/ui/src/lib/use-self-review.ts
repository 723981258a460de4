import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { Me, Pirep } from "../api/types";
import { isOwn } from "./actions";
import { isStaff } from "./use-me";

/** Do the settings let this person decide this flight, as one of their own? Others are not asked about. */
export function useSelfReview(pirep: Pirep, me: Me): boolean {
  const enabled = isOwn(pirep, me) && isStaff(me);
  const { data } = useQuery({
    queryKey: ["settings"],
    queryFn: () => answer(api.GET("/api/v1/settings")),
    enabled,
    staleTime: 60_000,
  });
  return enabled && data?.selfReview === true;
}
