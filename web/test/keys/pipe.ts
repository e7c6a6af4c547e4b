/**
 * A chat at the end of a pipe, for tests/test_docs_typescript.py, where a chat of the Python example is at the other end.
 * A line of JSON in, [command, ...arguments]; a line out, the result or {"error"}. Arguments of the program: room, me, peer.
 */

import { createInterface } from 'node:readline';

import { fromBase64, toBase64 } from '../../core/keys/bytes.ts';
import { Chat } from '../../core/keys/chat.ts';
import { Device } from '../../core/keys/device.ts';
import type { KeyBundle, Message } from '../../core/keys/types.ts';

const [room, me, peer] = process.argv.slice(2) as [string, string, string];
const chat = new Chat(new Device(), room, me, peer);

const commands: Record<string, (argument: never) => unknown> = {
  bundle: (oneTimeKeys: number) => chat.device.bundle(oneTimeKeys),
  start: (bundle: KeyBundle) => chat.start(bundle),
  encrypt: (text: string) => chat.encrypt(text),
  decrypt: (message: Message) => {
    const { text, openingKey } = chat.decrypt(message);
    return { text, openingKey: toBase64(openingKey) };
  },
  safetyNumber: () => chat.safetyNumber,
  trust: (identityKey: string) => chat.trust(fromBase64(identityKey)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = JSON.parse(line) as [string, never];
  let answer: unknown;
  try {
    answer = commands[command]!(argument) ?? null;
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
