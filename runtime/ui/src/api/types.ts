/** Short names for what the generated client calls by its full path. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Airline = Schemas["Airline"];
export type Me = Schemas["Me"];
export type Pirep = Schemas["Pirep"];
export type PirepState = Pirep["state"];
export type HistoryEntry = Schemas["HistoryEntry"];
export type Problem = Schemas["Problem"];

export const PIREP_STATES = [
  "Draft",
  "InProgress",
  "Paused",
  "Submitted",
  "Accepted",
  "Rejected",
  "Cancelled",
] as const satisfies PirepState[];
