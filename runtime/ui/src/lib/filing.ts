/** What a person typed into the form, as the API takes it. */

const MINUTE_MS = 60_000;

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
