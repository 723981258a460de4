/** One action on a PIREP, as the API is asked for it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import type { Action } from "../lib/actions";
import { uuid } from "../lib/uuid";
import { answer, api } from "./client";
import type { Pirep } from "./types";

/** Changing what it says is a screen of its own. */
export type Deed = { action: Exclude<Action, "edit">; words: string };

/** What is discarded is answered by nothing, and left for the list. */
export function usePerform(pirep: Pirep) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  // One name for one comment, until it is known to be said: a second try after a lost answer says nothing twice.
  const comment = useRef({ words: "", key: "" });
  return useMutation({
    mutationFn: (deed: Deed) => {
      if (deed.words !== comment.current.words) comment.current = { words: deed.words, key: uuid() };
      return perform(pirep, deed, comment.current.key);
    },
    onSuccess: (_, { action }) => {
      comment.current = { words: "", key: "" };
      // Not left to the screen, which may know already that it shows nothing any more.
      if (action === "discard") navigate({ to: "/" });
    },
    onSettled: (_, error, { action }) => {
      const list = queries.invalidateQueries({ queryKey: ["pireps"] });
      if (action === "discard" && !error) return list;
      return Promise.all([list, queries.invalidateQueries({ queryKey: ["pirep", pirep.id] })]);
    },
  });
}

function perform({ id, version }: Pirep, { action, words }: Deed, key: string): Promise<Pirep | undefined> {
  const params = { path: { id } };
  // A decision names the version that was seen: a second reviewer is told of the first one's.
  const seen = { ...params, header: { "If-Match": `"${version}"` } };
  const named = { ...params, header: { "Idempotency-Key": key } };
  switch (action) {
    case "finish":
      return answer(api.POST("/api/v1/pireps/{id}/finish", { params }));
    case "accept":
      return answer(
        api.POST("/api/v1/pireps/{id}/accept", { params: seen, body: { comment: words || null } }),
      );
    case "reject":
      return answer(api.POST("/api/v1/pireps/{id}/reject", { params: seen, body: { reason: words } }));
    case "reopen":
      return answer(api.POST("/api/v1/pireps/{id}/reopen", { params: seen, body: { reason: words } }));
    case "ask":
      return answer(api.POST("/api/v1/pireps/{id}/ask", { params, body: { question: words } }));
    case "answer":
      return answer(api.POST("/api/v1/pireps/{id}/answer", { params, body: { answer: words } }));
    case "appeal":
      return answer(api.POST("/api/v1/pireps/{id}/appeal", { params, body: { comment: words } }));
    case "comment":
      return answer(api.POST("/api/v1/pireps/{id}/comments", { params: named, body: { comment: words } }));
    case "cancel":
      return answer(api.POST("/api/v1/pireps/{id}/cancel", { params, body: { reason: words || null } }));
    case "restore":
      return answer(api.POST("/api/v1/pireps/{id}/restore", { params }));
    case "withdraw":
      return answer(api.POST("/api/v1/pireps/{id}/withdraw", { params }));
    case "discard":
      return answer<undefined>(api.DELETE("/api/v1/pireps/{id}", { params }));
  }
}
