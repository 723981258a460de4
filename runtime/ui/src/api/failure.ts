import type { Problem } from "./types";

/** An answer that was not the one hoped for, in words for a person. */
export class Failure extends Error {
  constructor(
    readonly title: string,
    message: string,
    readonly status: number,
    readonly problem: Problem | null,
  ) {
    super(message);
  }

  get requestId(): string | null {
    return this.problem?.requestId ?? null;
  }

  /** The complaint about one member of the request, by its JSON pointer. */
  field(pointer: string): string | undefined {
    return this.problem?.errors?.find((error) => error.pointer === pointer)?.detail;
  }

  static ofProblem(problem: Problem): Failure {
    return new Failure(problem.title, problem.detail ?? problem.title, problem.status, problem);
  }

  static from(error: unknown): Failure {
    if (error instanceof Failure) return error;
    if (error instanceof TypeError) {
      return new Failure("No connection", "The server did not answer. What you see may be old.", 0, null);
    }
    return new Failure(
      "Something went wrong",
      error instanceof Error ? error.message : String(error),
      0,
      null,
    );
  }
}
