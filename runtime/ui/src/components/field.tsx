import { Description, Field as HeadlessField, Input, Label, Textarea } from "@headlessui/react";
import type { ComponentProps } from "react";

type Props = ComponentProps<"input"> & {
  label: string;
  hint?: string;
  error?: string | undefined;
  /** ICAO codes, callsigns and registrations are set apart. */
  code?: boolean;
  /** What stands behind the value, such as `kg`. */
  unit?: string;
  /** More than one line. */
  long?: boolean;
};

const LOOK = "w-full rounded-md border border-line bg-surface px-3 data-invalid:border-bad";

/** A labelled input with its hint or complaint. */
export function Field({ label, hint, error, code, unit, long, className = "", ...input }: Props) {
  // An `Input` that is rendered `as` the other would tell nobody that it is invalid.
  const Box = (long ? Textarea : Input) as typeof Input;
  return (
    <HeadlessField className={`flex flex-col gap-1 ${className}`}>
      <Label className="font-medium">
        {label}
        {unit && <span className="font-normal text-muted"> ({unit})</span>}
      </Label>
      <Box
        {...input}
        {...(long ? { rows: 3 } : {})}
        invalid={error !== undefined}
        className={`${LOOK} ${long ? "py-2" : "h-9 pointer-coarse:h-11"} ${code ? "font-mono uppercase" : ""}`}
      />
      {(error || hint) && (
        <Description className={`text-xs ${error ? "text-bad" : "text-muted"}`}>{error ?? hint}</Description>
      )}
    </HeadlessField>
  );
}
