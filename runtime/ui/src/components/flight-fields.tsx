import type { FieldName, Values } from "../lib/filing";
import { Field } from "./field";
import { Icon } from "./icon";

type Props = {
  values: Values;
  /** What is wrong with a member, by its JSON pointer. */
  complaint: (pointer: string) => string | undefined;
  /** What was measured is not typed in. */
  measured?: boolean;
  /** Filed already, so that anything may be what is to be changed. */
  filed?: boolean;
};

/** What is typed in about a flight: six fields, the rest folded. */
export function FlightFields({ values, complaint, measured = false, filed = false }: Props) {
  const field = (pointer: string, name: FieldName) => ({
    name,
    defaultValue: values[name],
    error: complaint(`${pointer}/${name}`),
  });
  const plan = (name: FieldName) => field("/plan", name);
  const report = (name: FieldName) => field("/report", name);
  const time = (name: FieldName) => ({ ...report(name), type: "datetime-local", required: !filed });
  const pair = "grid grid-cols-1 gap-4 sm:grid-cols-2";
  return (
    <>
      <div className={pair}>
        <Field label="Flight number" {...plan("flightNumber")} maxLength={10} required code />
        <Field
          label="Aircraft type"
          {...plan("aircraftType")}
          hint="Such as B744"
          maxLength={4}
          required
          code
        />
        <Field
          label="Departure"
          {...plan("departure")}
          hint="ICAO code, such as LIRF"
          maxLength={4}
          required
          code
        />
        <Field
          label="Arrival"
          {...plan("arrival")}
          hint="ICAO code, such as LLBG"
          maxLength={4}
          required
          code
        />
        {!measured && <Field label="Off block" unit="UTC" {...time("offBlockAt")} />}
        {!measured && <Field label="On block" unit="UTC" {...time("onBlockAt")} />}
      </div>
      <details open={filed} className="group rounded-lg border border-line bg-surface">
        <summary className="flex h-9 cursor-pointer items-center gap-2 rounded-lg px-4 font-medium pointer-coarse:h-11">
          <Icon name="chevron" className="size-4 group-open:rotate-90" />
          More about the flight
        </summary>
        <div className={`${pair} border-line border-t p-4`}>
          <Field label="Registration" {...plan("registration")} maxLength={10} code />
          <Field label="Network" {...plan("network")} hint="Such as Offline, VATSIM or IVAO" maxLength={20} />
          {!measured && (
            <>
              <Field
                label="Fuel used"
                unit="kg"
                {...report("fuelUsedKg")}
                type="number"
                min={0}
                inputMode="numeric"
              />
              <Field
                label="Landing rate"
                unit="fpm"
                {...report("landingRateFpm")}
                type="number"
                hint="Such as -142"
              />
            </>
          )}
          <Field className="sm:col-span-2" label="Route" {...plan("route")} code />
          <Field className="sm:col-span-2" label="Remarks" {...field("", "remarks")} maxLength={4_000} long />
        </div>
      </details>
    </>
  );
}
