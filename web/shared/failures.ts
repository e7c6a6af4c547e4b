/** What goes wrong between a page and the server, and how a person is told. What payloads answer is each page's own matter. */

/** A top-level error of an answer, or no answer at all. */
export class Failure extends Error {
  /** As `extensions.code` says; `NETWORK` where nothing, or nothing readable, came back and the outcome is unknown. */
  readonly code: string;
  /** Seconds after which trying again helps. */
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, retryAfter?: number) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Nothing is left to refresh: sign in again. */
export class SessionEnded extends Error {}

export interface TopLevelError {
  readonly message: string;
  readonly extensions?: { readonly code?: unknown; readonly retryAfter?: unknown };
}

/** The first of the errors of an answer tells it. */
export function failureOf(errors: readonly TopLevelError[]): Failure {
  const { message = 'no message', extensions } = errors[0] ?? {};
  const code = typeof extensions?.code === 'string' ? extensions.code : 'INTERNAL_SERVER_ERROR';
  return new Failure(code, message, typeof extensions?.retryAfter === 'number' ? extensions.retryAfter : undefined);
}

/** A sentence for a person, whatever was thrown. */
export function inWords(error: unknown): string {
  if (error instanceof SessionEnded) return 'You are signed out. Please sign in again.';
  if (!(error instanceof Failure)) return 'Something went wrong in this page. Please reload it.';
  switch (error.code) {
    case 'NETWORK':
      return 'The server cannot be reached. Please check your connection and try again.';
    case 'RATE_LIMITED':
      return `That was too often. Please wait ${seconds(error.retryAfter ?? 1)} and try again.`;
    case 'UNAUTHENTICATED':
      return 'You are signed out. Please sign in again.';
    case 'FORBIDDEN':
      return 'You may not do this.';
    case 'NOT_FOUND':
      return 'It is not there any more.';
    case 'CONFLICT':
      return 'That is not possible just now. Please look again and try once more.';
    case 'BAD_USER_INPUT':
      return 'The server did not accept what was entered.';
    default:
      return error.retryAfter === undefined
        ? 'The server has a problem. Please try again later.'
        : `The server is busy. Please wait ${seconds(error.retryAfter)} and try again.`;
  }
}

function seconds(count: number): string {
  const whole = Math.max(1, Math.ceil(count));
  if (whole >= 120) return `${Math.ceil(whole / 60)} minutes`;
  return whole === 1 ? 'a second' : `${whole} seconds`;
}
