/** The API's names and values, as a person would write them. */
import { dateTime, duration, quantity } from "./format";

/** `blockTimeMin` as its words, and the unit in its name. */
const UNITS: [RegExp, (value: number) => string][] = [
  [/Min$/, duration],
  [/Nmi$/, (value) => quantity(value, "nmi")],
  [/Ft$/, (value) => quantity(value, "ft")],
  [/Kg$/, (value) => quantity(value, "kg")],
  [/Fpm$/, (value) => quantity(value, "fpm")],
];

function last(pointer: string): string {
  return pointer.split("/").at(-1) ?? pointer;
}

/** `PirepSubmitted` or `blockTime` as `Pirep submitted` or `Block time`. */
export function words(name: string): string {
  const lower = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return lower.charAt(0).toUpperCase() + lower.slice(1);
}

/** What a JSON pointer into a PIREP points at: `/report/blockTimeMin` is `Block time`. */
export function fieldName(pointer: string): string {
  const name = last(pointer).replace(/At$/, "");
  return words(UNITS.reduce((rest, [unit]) => rest.replace(unit, ""), name));
}

/** A value of that field with its unit; what is missing is a dash. */
export function fieldValue(pointer: string, value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  const name = last(pointer);
  if (typeof value === "string") return name.endsWith("At") ? dateTime(value) : value;
  const unit = UNITS.find(([unit]) => unit.test(name));
  if (typeof value === "number") return unit ? unit[1](value) : String(value);
  return JSON.stringify(value);
}
