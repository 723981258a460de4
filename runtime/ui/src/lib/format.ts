/** How numbers, times and places are written on every screen. */

const dayAndTime = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone: "UTC",
});
const timeOnly = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone: "UTC",
});
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

const MISSING = "–";

/** `03 Nov 2019, 09:28Z` */
export function dateTime(time: string | null | undefined): string {
  return time ? `${dayAndTime.format(new Date(time))}Z` : MISSING;
}

/** `09:28Z` */
export function clock(time: string | null | undefined): string {
  return time ? `${timeOnly.format(new Date(time))}Z` : MISSING;
}

/** Minutes as `5 h 52 min`. */
export function duration(minutes: number | null | undefined): string {
  if (minutes === null || minutes === undefined) return MISSING;
  const hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
}

/** A number with its unit, such as `35,000 ft`. */
export function quantity(value: number | null | undefined, unit: string): string {
  return value === null || value === undefined ? MISSING : `${whole.format(value)} ${unit}`.trimEnd();
}

/** What is there, or a dash. */
export function orDash(value: string | null | undefined): string {
  return value?.trim() ? value : MISSING;
}
