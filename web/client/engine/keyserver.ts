/** The four operations that `core/keys` needs. All may be repeated, so they are tried again while that may help. */

import type { KeyServer } from '../../core/keys/types.ts';
import type { Api } from '../../shared/api.ts';
import { Failure } from '../../shared/failures.ts';
import { AddOneTimePreKeysDocument, ClaimKeyBundleDocument, KeysDocument, PublishKeysDocument } from '../generated.ts';

export function keyServer(ask: Api['ask']): KeyServer {
  const patient = { patient: true };
  return {
    async claimKeyBundle(memberId, requestId) {
      const { claimKeyBundle: answer } = await ask(ClaimKeyBundleDocument, { input: { memberId, requestId } }, patient);
      if (answer.__typename === 'NoKeysError') return null;
      if (answer.__typename === 'NotFoundError') throw new Failure('NOT_FOUND', 'The member has left.');
      return answer.bundle;
    },
    async publishKeys(input) {
      succeeded((await ask(PublishKeysDocument, { input }, patient)).publishKeys.__typename);
    },
    async addOneTimePreKeys(oneTimePreKeys) {
      const { addOneTimePreKeys } = await ask(AddOneTimePreKeysDocument, { input: { oneTimePreKeys } }, patient);
      succeeded(addOneTimePreKeys.__typename);
    },
    async keys(roomId) {
      const { keys } = await ask(KeysDocument, { roomId }, patient);
      if (keys === null) throw new Failure('NOT_FOUND', 'The viewer is not in that room.');
      return keys;
    },
  };
}

function succeeded(answer: string): void {
  if (!answer.endsWith('Success')) throw new Failure('BAD_USER_INPUT', answer);
}
