import type { ButtonHTMLAttributes } from "react";

export type Tone = "primary" | "plain" | "danger" | "quiet";

const TONES: Record<Tone, string> = {
  primary: "border-transparent bg-accent text-on-accent hover:opacity-90",
  plain: "border-line bg-surface text-ink hover:bg-sunken",
  danger: "border-bad bg-surface text-bad hover:bg-sunken",
  quiet: "border-transparent text-muted hover:bg-sunken hover:text-ink",
};

/** Also worn by links that stand among buttons. */
export function buttonLook(tone: Tone): string {
  return `inline-flex h-9 shrink-0 items-center justify-center gap-2 rounded-md border px-3 font-medium transition-opacity duration-150 disabled:opacity-50 pointer-coarse:h-11 ${TONES[tone]}`;
}

type Props = ButtonHTMLAttributes<HTMLButtonElement> & { tone?: Tone; busy?: boolean };

export function Button({ tone = "plain", busy = false, className = "", children, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy}
      disabled={busy || rest.disabled}
      className={`${buttonLook(tone)} ${className}`}
    >
      {children}
    </button>
  );
}
