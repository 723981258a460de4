/** Drawn on a grid of 20 by 20, as strokes. */
const PATHS = {
  chevron: "M7.5 5l5 5-5 5",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  clock: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.5V10l2.5 1.5",
  cross: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  forbidden: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M5.5 5.5l9 9",
  more: "M4.5 10a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M9.5 10a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M14.5 10a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0",
  pause: "M7.5 5v10M12.5 5v10",
  pencil: "M13 4.5l2.5 2.5-8 8-3 .5.5-3z",
  person: "M10 3.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M4 16.5c.5-3 3-4.5 6-4.5s5.5 1.5 6 4.5",
  plane: "M3 10.5l14-7-4.5 13-3-5z",
  question: "M4 4.5h12v9H9.5l-3 3v-3H4z",
  refresh: "M15.5 10a5.5 5.5 0 1 1-1.5-3.800M14.5 3v3.5H11",
  warning: "M10 3.5l7 12.5H3zM10 8v3.5M10 13.5v.2",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign beside a word; the word says the same to those who do not see it. */
export function Icon({ name, className = "size-4" }: { name: IconName; className?: string }) {
  return (
    <svg
      viewBox="0 0 20 20"
      aria-hidden="true"
      strokeWidth={1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      className={`shrink-0 fill-none stroke-current ${className}`}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
