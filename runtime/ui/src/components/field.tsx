import { Description, Field as HeadlessField, Input, Label } from "@headlessui/react";
import type { ComponentProps } from "react";

type Props = ComponentProps<"input"> & {
  label: string;
  hint?: string;
  error?: string | undefined;
  code?: boolean;
};

/** A labelled input; `code` sets ICAO codes, callsigns and registrations apart. */
export function Field({ label, hint, error, code = false, className = "", ...input }: Props) {
  return (
    <HeadlessField className={`flex flex-col gap-1 ${className}`}>
      <Label className="font-medium">{label}</Label>
      <Input
        {...input}
        invalid={error !== undefined}
        className={`h-9 rounded-md border border-line bg-surface px-3 data-invalid:border-bad pointer-coarse:h-11 ${code ? "font-mono uppercase" : ""}`}
      />
      {(error || hint) && (
        <Description className={`text-xs ${error ? "text-bad" : "text-muted"}`}>{error ?? hint}</Description>
      )}
    </HeadlessField>
  );
}
