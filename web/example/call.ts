import { Peer, Refused } from '../core/signaling.ts';

const ICE = /* GraphQL */ `
  query Ice($roomId: ID!) { iceConfiguration(roomId: $roomId) { relayOnly servers { urls username credential } } }`;
const SEND = /* GraphQL */ `
  mutation Send($input: SendSignalInput!) { sendSignal(input: $input) { __typename ... on UserError { message } } }`;

/** How your GraphQL client asks: resolves to `data`, and rejects without any. */
// biome-ignore lint/suspicious/noExplicitAny: here one answer for both; types that were generated are better
type Ask = (query: string, variables: object) => Promise<any>;

/** Calls a member of a room, from `me` into `theirs`. `receive` is for their signals, `close` for when they leave. */
export function call(
  ask: Ask,
  roomId: string,
  member: { id: string; polite: boolean },
  me: MediaStream,
  theirs: HTMLVideoElement,
): Peer {
  return new Peer({
    polite: member.polite,
    configuration: async () => {
      const { servers, relayOnly } = (await ask(ICE, { roomId })).iceConfiguration;
      // Those for STUN have null for both credentials, which browsers do not look at there.
      return { iceServers: servers, iceTransportPolicy: relayOnly ? 'relay' : 'all' };
    },
    send: async (signal, ids) => {
      const { sendSignal } = await ask(SEND, { input: { to: member.id, signal, ...ids } });
      if (sendSignal.message) throw new Refused(sendSignal.message);
    },
    opened: (connection) => {
      for (const track of me.getTracks()) connection.addTrack(track, me);
      connection.ontrack = ({ streams }) => {
        theirs.srcObject = streams[0] ?? null;
      };
    },
  });
}
