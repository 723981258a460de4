import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { Me } from "../api/types";

const STAFF = ["PlatformAdmin", "TenantAdmin", "Reviewer"];

/** Who is signed in. A 401 is an answer too: nobody. */
export function useMe() {
  return useQuery({ queryKey: ["me"], queryFn: () => answer(api.GET("/api/v1/me")), staleTime: 60_000 });
}

/** May this person decide on PIREPs? The server has the last word. */
export function isStaff(me: { user: Pick<Me["user"], "roles"> }): boolean {
  return me.user.roles.some((role) => STAFF.includes(role));
}
