/** What a person typed into the form, as the API takes it. */
import type { Pirep } from "../api/types";

const MINUTE_MS = 60_000;

export type Values = ReturnType<typeof shown>;
export type FieldName = keyof Values;

type Content = Pick<Pirep, "plan" | "report" | "remarks">;

/** A PIREP as the form shows it, by the names of its fields. */
export function shown(pirep: Content | undefined) {
  const { plan, report } = pirep ?? {};
  const text = (value: string | number | null | undefined) => String(value ?? "");
  const time = (value: string | null | undefined) => text(value).slice(0, "2019-11-03T09:28".length);
  return {
    flightNumber: text(plan?.flightNumber),
    departure: text(plan?.departure),
    arrival: text(plan?.arrival),
    aircraftType: text(plan?.aircraftType),
    registration: text(plan?.registration),
    network: text(plan?.network),
    route: text(plan?.route),
    offBlockAt: time(report?.offBlockAt),
    onBlockAt: time(report?.onBlockAt),
    fuelUsedKg: text(report?.fuelUsedKg),
    landingRateFpm: text(report?.landingRateFpm),
    remarks: text(pirep?.remarks),
  };
}

/** What stands in the form; what it does not ask for is as it was shown. */
export function typed(form: FormData, before: Values): Values {
  const fields = Object.keys(before).filter((name) => form.has(name));
  return { ...before, ...Object.fromEntries(fields.map((name) => [name, String(form.get(name))])) };
}

/** A merge patch of what was typed anew; nothing that was merely shown, so that no second is rounded away. */
export function changes(before: Values, after: Values) {
  const [old, now] = [filing(form(before)), filing(form(after))];
  const remarks = now.remarks === old.remarks ? {} : { remarks: now.remarks };
  return { plan: differing(old.plan, now.plan), report: differing(old.report, now.report), ...remarks };
}

/** A draft as it is put, which replaces it: what was typed anew, upon all that the form does not ask for or merely showed. */
export function whole(draft: Content | undefined, form: FormData) {
  const before = shown(draft);
  const { plan, report } = changes(before, typed(form, before));
  // Null would leave those that are there.
  const remarks = filing(form).remarks ?? "";
  return { plan: { ...draft?.plan, ...plan }, report: { ...draft?.report, ...report }, remarks };
}

/** What was typed, upon what somebody else wrote meanwhile; and what they wrote where both changed the same. */
export function rebased(before: Values, mine: Values, theirs: Values) {
  const names = Object.keys(before) as FieldName[];
  const changed = names.filter((name) => mine[name] !== before[name]);
  const clashes = changed.filter((name) => theirs[name] !== before[name] && theirs[name] !== mine[name]);
  const of = (names: FieldName[], values: Values) =>
    Object.fromEntries(names.map((name) => [name, values[name]])) as Partial<Values>;
  return { values: { ...theirs, ...of(changed, mine) }, clashes: of(clashes, theirs) };
}

function form(values: Values): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(values)) form.set(name, value);
  return form;
}

function differing<T extends object>(before: T, after: T): Partial<T> {
  const members = Object.entries(after) as [keyof T, unknown][];
  return Object.fromEntries(members.filter(([name, value]) => before[name] !== value)) as Partial<T>;
}

/** Plan, report and remarks; an empty field says nothing. Times are taken as UTC. */
export function filing(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? "").trim() || null;
  const code = (name: string) => text(name)?.toUpperCase() ?? null;
  const number = (name: string) => {
    const typed = text(name);
    return typed === null ? null : Math.round(Number(typed));
  };
  const [offBlock, onBlock] = [time(text("offBlockAt")), time(text("onBlockAt"))];
  return {
    plan: {
      flightNumber: code("flightNumber"),
      departure: code("departure"),
      arrival: code("arrival"),
      aircraftType: code("aircraftType"),
      registration: code("registration"),
      network: text("network"),
      route: code("route"),
    },
    report: {
      offBlockAt: offBlock?.toISOString() ?? null,
      onBlockAt: onBlock?.toISOString() ?? null,
      blockTimeMin: offBlock && onBlock ? minutes(offBlock, onBlock) : null,
      fuelUsedKg: number("fuelUsedKg"),
      landingRateFpm: number("landingRateFpm"),
    },
    remarks: text("remarks"),
  };
}

function time(typed: string | null): Date | null {
  const date = new Date(`${typed}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}

function minutes(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / MINUTE_MS);
}
