/** Who may do what to a PIREP now. The server has the last word; this keeps the page from offering what it refuses. */
import type { Me, Pirep, PirepState } from "../api/types";
import { isStaff } from "./use-me";

/** In the order in which they are offered. */
export const ACTIONS = [
  "finish",
  "answer",
  "appeal",
  "accept",
  "reject",
  "ask",
  "restore",
  "reopen",
  "edit",
  "withdraw",
  "cancel",
  "discard",
  "comment",
] as const;
export type Action = (typeof ACTIONS)[number];

type Who = "owner" | "staff" | "either";

/** What is not listed is refused, or not for this page: a draft is changed by whoever writes it. */
const LIFE_CYCLE: Record<PirepState, Partial<Record<Action, Who>>> = {
  Draft: { edit: "owner", discard: "owner", comment: "either" },
  InProgress: { finish: "either", edit: "either", cancel: "either", comment: "either" },
  Paused: { edit: "either", cancel: "either", comment: "either" },
  Submitted: {
    answer: "owner",
    accept: "staff",
    reject: "staff",
    ask: "staff",
    edit: "either",
    withdraw: "owner",
    cancel: "owner",
    comment: "either",
  },
  Accepted: { reject: "staff", edit: "staff", reopen: "staff", comment: "either" },
  Rejected: { appeal: "owner", accept: "staff", edit: "either", reopen: "staff", comment: "either" },
  Cancelled: { restore: "either", edit: "staff", comment: "either" },
};

type Subject = Pick<Pirep, "state" | "awaits" | "submittedAt" | "contact"> & {
  pilot: Pick<Pirep["pilot"], "id">;
  source: Pick<Pirep["source"], "kind">;
  track: Pick<Pirep["track"], "positions">;
};
type Person = { user: Pick<Me["user"], "id" | "roles"> };

export function isOwn(pirep: Subject, me: Person): boolean {
  return me.user.id === pirep.pilot.id;
}

/** All that this person may do to it as it is. Nobody reviews a flight of their own, unless the settings let staff do so. */
export function allowed(pirep: Subject, me: Person, selfReview: boolean): Action[] {
  const own = isOwn(pirep, me);
  const admits: Record<Who, boolean> = {
    owner: own,
    staff: isStaff(me) && (!own || selfReview),
    either: own || isStaff(me),
  };
  const row = LIFE_CYCLE[pirep.state];
  return ACTIONS.filter((action) => {
    const who = row[action];
    return who !== undefined && admits[who] && isPossible(action, pirep);
  });
}

/** Conditions beside state and person. */
function isPossible(action: Action, { awaits, submittedAt, contact, source, track }: Subject): boolean {
  switch (action) {
    case "finish":
      return contact === "silent";
    case "answer":
      return awaits === "pilot";
    case "ask":
      return awaits !== "pilot";
    case "withdraw":
      return source.kind === "Manual";
    case "discard":
      return submittedAt === null && track.positions === 0;
    default:
      return true;
  }
}
