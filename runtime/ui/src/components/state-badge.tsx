import type { Pirep } from "../api/types";
import { Icon, type IconName } from "./icon";

type Look = { word: string; tone: string; icon: IconName };

/** State is told three times: by colour, by icon and by word. */
const LOOKS: Record<Pirep["state"], Look> = {
  Draft: { word: "Draft", tone: "text-muted", icon: "pencil" },
  InProgress: { word: "In flight", tone: "text-accent", icon: "plane" },
  Paused: { word: "Paused", tone: "text-wait", icon: "pause" },
  Submitted: { word: "Awaiting review", tone: "text-wait", icon: "clock" },
  Accepted: { word: "Accepted", tone: "text-good", icon: "check" },
  Rejected: { word: "Rejected", tone: "text-bad", icon: "cross" },
  Cancelled: { word: "Cancelled", tone: "text-muted", icon: "forbidden" },
};
const AWAITS_PILOT: Look = { word: "Awaiting pilot", tone: "text-wait", icon: "question" };

export function StateBadge({ pirep }: { pirep: Pick<Pirep, "state" | "awaits"> }) {
  const asked = pirep.state === "Submitted" && pirep.awaits === "pilot";
  const { word, tone, icon } = asked ? AWAITS_PILOT : LOOKS[pirep.state];
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${tone}`}>
      <Icon name={icon} />
      {word}
    </span>
  );
}
