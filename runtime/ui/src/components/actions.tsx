import { Link } from "@tanstack/react-router";
import { type KeyboardEvent, useRef, useState } from "react";
import { Failure } from "../api/failure";
import { type Deed, usePerform } from "../api/perform";
import type { Me, Pirep } from "../api/types";
import { type Action, allowed, isOwn } from "../lib/actions";
import { useSelfReview } from "../lib/use-self-review";
import { Button, buttonLook, type Tone } from "./button";
import { Field } from "./field";
import { Icon } from "./icon";
import { FailureNotice } from "./notice";

type Look = {
  label: string;
  tone: Tone;
  /** What is asked before it is done. */
  ask?: Question;
  done: string;
};
type Question = {
  /** What it leads to, of what is not to be done by a slip of the finger. */
  warning?: string;
  /** What is to be written, and the member of the request that holds it. */
  words?: { label: string; member: string; optional?: boolean };
  label: string;
  tone: Tone;
};

/** What can be done about this flight; it stays in sight at the bottom while the flight above is read. */
export function Actions({ pirep, me }: { pirep: Pirep; me: Me }) {
  const perform = usePerform(pirep);
  const bar = useRef<HTMLElement>(null);
  const [open, setOpen] = useState<Deed["action"] | null>(null);
  const [left, setLeft] = useState<Action | null>(null);
  const [overtaken, setOvertaken] = useState(false);
  const [more, setMore] = useState(false);
  const actions = allowed(pirep, me, useSelfReview(pirep, me));
  if (open && !actions.includes(open) && !perform.isPending) {
    setOpen(null);
    setOvertaken(true);
  }
  if (actions.length === 0 && !perform.error) return null;

  const own = isOwn(pirep, me);
  const look = (action: Action) => lookOf(action, pirep, own);
  const question = open && look(open).ask;
  const loud = actions.filter((action) => look(action).tone !== "quiet");
  // There is always something to press, and a phone has room for one line.
  const prominent = loud.length > 0 ? loud : actions.slice(-1);
  const quiet = actions.filter((action) => !prominent.includes(action));
  const folds = quiet.length > 1;
  const show = (action: Deed["action"] | null) => {
    perform.reset();
    setOvertaken(false);
    setLeft(open);
    setOpen(action);
  };
  const run = (deed: Deed) => {
    setOvertaken(false);
    perform.mutate(deed, {
      onSuccess: () => {
        setLeft(null);
        setOpen(null);
        setMore(false);
        // What was pressed is gone: whoever listens goes on at what is possible next.
        bar.current?.focus({ preventScroll: true });
      },
    });
  };
  const choose = (action: Deed["action"]) => (look(action).ask ? show(action) : run({ action, words: "" }));
  const button = (action: Action) => {
    const { label, tone } = look(action);
    const worn = prominent.includes(action) && tone === "quiet" ? "plain" : tone;
    if (action === "edit") {
      return (
        <Link key={action} to="/pireps/$id/edit" params={{ id: pirep.id }} className={buttonLook(worn)}>
          {label}
        </Link>
      );
    }
    return (
      <Button
        key={action}
        tone={worn}
        busy={perform.isPending && perform.variables.action === action}
        disabled={perform.isPending}
        autoFocus={left === action}
        onClick={() => choose(action)}
      >
        {label}
      </Button>
    );
  };
  return (
    <section
      ref={bar}
      tabIndex={-1}
      aria-label="Actions"
      className="sticky bottom-0 z-10 mt-auto -mb-6 flex flex-col gap-3 rounded-t-lg border border-line border-b-0 bg-surface p-3 shadow-lg outline-none sm:p-4"
    >
      <Outcome pirep={pirep} perform={perform} overtaken={overtaken} />
      {open && question ? (
        <QuestionForm
          key={open}
          question={question}
          error={perform.error}
          busy={perform.isPending}
          onAnswer={(words) => run({ action: open, words })}
          onBack={() => show(null)}
        />
      ) : (
        <div className="flex flex-wrap items-center gap-2">
          {prominent.map(button)}
          {folds && (
            <Button
              tone="quiet"
              className="max-sm:ml-auto sm:hidden"
              aria-expanded={more}
              aria-controls="more-actions"
              onClick={() => setMore(!more)}
            >
              <Icon name="more" className="size-5" />
              <span className="sr-only">More actions</span>
            </Button>
          )}
          <div
            id="more-actions"
            className={`flex flex-wrap gap-2 sm:ml-auto ${folds && !more ? "max-sm:hidden" : ""}`}
          >
            {quiet.map(button)}
          </div>
        </div>
      )}
    </section>
  );
}

type OutcomeProps = { pirep: Pirep; perform: ReturnType<typeof usePerform>; overtaken: boolean };

/** What became of the last action, or of one that somebody else made impossible. */
function Outcome({ pirep, perform, overtaken }: OutcomeProps) {
  const { error, data, variables } = perform;
  const outdated = error instanceof Failure && error.status === 412;
  if (error && !outdated) return <FailureNotice error={error} />;
  if (outdated || overtaken) {
    return (
      <p role="alert" className="flex gap-2">
        <Icon name="warning" className="mt-0.5 size-4 text-wait" />
        Somebody changed this report meanwhile. What you see is the newest
        {pirep.decision ? ", and it is decided." : "; please decide anew."}
      </p>
    );
  }
  const isNews = variables && data?.version === pirep.version;
  return (
    <p role="status" className="text-muted empty:sr-only">
      {isNews && lookOf(variables.action, pirep, false).done}
    </p>
  );
}

type FormProps = {
  question: Question;
  error: unknown;
  busy: boolean;
  onAnswer: (words: string) => void;
  onBack: () => void;
};

function QuestionForm({ question, error, busy, onAnswer, onBack }: FormProps) {
  const { warning, words, label, tone } = question;
  const complaint = error instanceof Failure && words ? error.field(`/${words.member}`) : undefined;
  const keys = (event: KeyboardEvent<HTMLFormElement>) => {
    if (event.key === "Escape") onBack();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
  };
  return (
    <form
      className="flex flex-col gap-3"
      onKeyDown={keys}
      onSubmit={(event) => {
        event.preventDefault();
        onAnswer(String(new FormData(event.currentTarget).get("words") ?? ""));
      }}
    >
      {warning && <p>{warning}</p>}
      {words && (
        <Field
          label={words.label}
          name="words"
          error={complaint}
          maxLength={2_000}
          required={!words.optional}
          autoFocus
          long
        />
      )}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" tone={tone} busy={busy} autoFocus={!words}>
          {label}
        </Button>
        <Button disabled={busy} onClick={onBack}>
          Back
        </Button>
      </div>
    </form>
  );
}

const WHY = { label: "Why? The pilot will read this.", member: "reason" };

/** Prominent is what is waited for; quiet what is rare or hard to undo. */
function lookOf(action: Action, { state }: Pirep, own: boolean): Look {
  switch (action) {
    case "finish":
      return {
        label: "Finish from track…",
        tone: own ? "primary" : "plain",
        ask: {
          warning: "It is submitted with the times, the distance and the fuel that its positions tell.",
          label: "Finish this flight",
          tone: "primary",
        },
        done: "It awaits staff.",
      };
    case "answer":
      return {
        label: "Answer…",
        tone: "primary",
        ask: { words: { label: "Your answer", member: "answer" }, label: "Send the answer", tone: "primary" },
        done: "Staff have your answer.",
      };
    case "appeal":
      return {
        label: "Appeal…",
        tone: "primary",
        ask: {
          words: { label: "What should staff look at again?", member: "comment" },
          label: "Appeal",
          tone: "primary",
        },
        done: "It awaits staff again.",
      };
    case "accept":
      if (state === "Submitted") return { label: "Accept", tone: "primary", done: "It is accepted." };
      return {
        label: "Accept after all…",
        tone: "plain",
        ask: { words: { ...WHY, member: "comment" }, label: "Accept after all", tone: "primary" },
        done: "It is accepted.",
      };
    case "reject":
      return {
        label: state === "Submitted" ? "Reject…" : "Reject after all…",
        tone: state === "Submitted" ? "danger" : "quiet",
        ask: { words: WHY, label: "Reject", tone: "danger" },
        done: "It is rejected.",
      };
    case "ask":
      return {
        label: "Ask…",
        tone: "plain",
        ask: {
          words: { label: "What do you want to know of the pilot?", member: "question" },
          label: "Ask the pilot",
          tone: "primary",
        },
        done: "The pilot is asked.",
      };
    case "restore":
      return { label: "Restore this flight", tone: own ? "primary" : "plain", done: "It is restored." };
    case "edit":
      if (!own) return { label: "Correct…", tone: "quiet", done: "" };
      if (state === "Draft") return { label: "Go on with this draft", tone: "primary", done: "" };
      return { label: "Change…", tone: "plain", done: "" };
    case "reopen":
      return {
        label: "Reopen…",
        tone: "quiet",
        ask: { words: WHY, label: "Reopen", tone: "primary" },
        done: "It awaits staff again.",
      };
    case "withdraw":
      return {
        label: "Withdraw…",
        tone: "quiet",
        ask: {
          warning: "It becomes a draft again, which nobody reviews until you submit it anew.",
          label: "Withdraw this report",
          tone: "danger",
        },
        done: "It is a draft again.",
      };
    case "cancel":
      return {
        label: "Cancel this flight…",
        tone: "quiet",
        ask: {
          warning: "It will not count. It is kept, and can be restored.",
          ...(own ? {} : { words: WHY }),
          label: "Cancel this flight",
          tone: "danger",
        },
        done: "It is cancelled.",
      };
    case "discard":
      return {
        label: "Discard…",
        tone: "quiet",
        ask: {
          warning: "This draft will be gone for good: nothing brings it back.",
          label: "Discard this draft",
          tone: "danger",
        },
        done: "",
      };
    case "comment":
      return {
        label: "Comment…",
        tone: "quiet",
        ask: {
          words: { label: "Comment, for its pilot and staff", member: "comment" },
          label: "Comment",
          tone: "primary",
        },
        done: "Your comment stands in the history.",
      };
  }
}
