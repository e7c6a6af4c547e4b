/** What an operator does to a case: the mutations, and their answers in words. */

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import type { AnyVariables } from '@urql/core';
import { Failure, inWords } from '../../shared/failures.ts';
import type { Desk } from '../desk.tsx';

interface Answer {
  readonly __typename: string;
  readonly message?: string;
}

/** The sentence of an answer that did not do what was asked. */
const REFUSED: Readonly<Record<string, string>> = {
  ConflictError: 'Somebody else acted first. This is how the case stands now.',
  NotFoundError: 'It is not there any more.',
};

/**
 * Does it, and tells in words why not; null is success. `after` is called once something may have changed, so also after a refusal:
 * whoever was refused looks at something old.
 */
export async function act<Data extends object, Variables extends AnyVariables>(
  { api }: Desk,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  after: () => Promise<void>,
): Promise<string | null> {
  let answer: Answer;
  try {
    // A repeat of each of them answers the same, so the network may fail.
    answer = Object.values(await api.ask(document, variables, { patient: true }))[0] as Answer;
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'FORBIDDEN')) return inWords(error);
    await after();
    return 'You may not do this: you are part of this case, or your role is gone.';
  }
  if (answer.__typename.endsWith('Success')) {
    await after();
    return null;
  }
  if (answer.__typename !== 'InvalidInputError') await after();
  return REFUSED[answer.__typename] ?? answer.message ?? 'That did not work.';
}
