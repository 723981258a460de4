import type { Pirep } from "../api/types";

type Look = { word: string; tone: string; path: string };

/** State is told three times: by colour, by icon and by word. */
const LOOKS: Record<Pirep["state"], Look> = {
  Draft: { word: "Draft", tone: "text-muted", path: "M4 12.5V15h2.5L14 7.500 11.500 5z" },
  InProgress: { word: "In flight", tone: "text-accent", path: "M3 10l14-6-5 13-3-5z" },
  Paused: { word: "Paused", tone: "text-wait", path: "M6 5h3v10H6zM11 5h3v10h-3z" },
  Submitted: {
    word: "Awaiting review",
    tone: "text-wait",
    path: "M10 3a7 7 0 100 14 7 7 0 000-14zm1 3v4.500l3 1.800-.8 1.300L9.500 11V6z",
  },
  Accepted: {
    word: "Accepted",
    tone: "text-good",
    path: "M8 14.500l-4.500-4.500 1.500-1.500 3 3 7-7L16.500 6z",
  },
  Rejected: {
    word: "Rejected",
    tone: "text-bad",
    path: "M5.500 4L10 8.500 14.500 4 16 5.500 11.500 10l4.500 4.500-1.500 1.500L10 11.500 5.500 16 4 14.500 8.500 10 4 5.500z",
  },
  Cancelled: { word: "Cancelled", tone: "text-muted", path: "M10 3a7 7 0 100 14 7 7 0 000-14zM6 9h8v2H6z" },
};

export function StateBadge({ pirep }: { pirep: Pick<Pirep, "state" | "awaits"> }) {
  const look = LOOKS[pirep.state];
  const word = pirep.state === "Submitted" && pirep.awaits === "pilot" ? "Awaiting pilot" : look.word;
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${look.tone}`}>
      <svg viewBox="0 0 20 20" className="size-4 shrink-0 fill-current" aria-hidden="true">
        <path d={look.path} />
      </svg>
      {word}
    </span>
  );
}
