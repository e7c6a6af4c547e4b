/** What tests/browser/test_keys_store.py runs in its pages. `serve` is the server: it lives in the test, and outlives the pages. */

import { Keyring } from '../../web/core/keys/keyring.ts';
import { NobodyReads, type RoomKeys } from '../../web/core/keys/room.ts';
import { openStore } from '../../web/core/keys/store.ts';
import type { KeyServer } from '../../web/core/keys/types.ts';
import { keysOf, tagged } from '../../web/test/keys/world.ts';

export { Keyring, keysOf, NobodyReads, openStore, tagged };

// biome-ignore lint/suspicious/noExplicitAny: JSON from Python
declare function serve(call: string, account: string, argument: unknown): Promise<any>;

export function api(account: string): KeyServer {
  return {
    claimKeyBundle: (memberId, requestId) => serve('claim', account, { memberId, requestId }),
    publishKeys: (input) => serve('publish', account, input),
    addOneTimePreKeys: async () => {},
    keys: () => serve('keys', account, null),
  };
}

/** Ada and Ben, each with their account, in one browser and one room. */
export async function both(): Promise<{ ada: RoomKeys; ben: RoomKeys; durable: boolean }> {
  const enter = async (me: string, other: string): Promise<[RoomKeys, boolean]> => {
    const ring = await Keyring.open(me, api(me), { oneTimeKeys: 4 });
    return [await ring.room({ id: 'room', kind: 'INVITE', me, others: [other] }), ring.durable];
  };
  const [ada, durable] = await enter('ada', 'ben');
  const [ben] = await enter('ben', 'ada');
  await ada.resync(['ben']);
  return { ada, ben, durable };
}

/** Reads what Ada encrypted under this client message ID. */
export async function readsAdas(
  ben: RoomKeys,
  id: string,
  sealed: { ciphertext: string; commitment: string },
): Promise<unknown> {
  const reading = await ben.read(tagged(id, 'ada', id, sealed));
  return 'refused' in reading ? reading.refused : reading.text;
}
