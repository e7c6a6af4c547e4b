/** The engine, put together: see `../state.ts` for what it promises to the views. */

import { Keyring } from '../../core/keys/keyring.ts';
import { inWords } from '../../shared/failures.ts';
import { PreKeyCountDocument, UpdateProfileDocument } from '../generated.ts';
import type { Client, Outcome } from '../state.ts';
import { Calls } from './calls.ts';
import { Connection } from './connection.ts';
import { countAtDoor } from './door.ts';
import { Invites } from './invites.ts';
import { keyServer } from './keyserver.ts';
import { Matchmaking } from './matchmaking.ts';
import { Media } from './media.ts';
import { Met } from './met.ts';
import type { Event } from './parts.ts';
import { loadPreferences } from './preferences.ts';
import { type RoomParts, Rooms } from './rooms.ts';
import { Safety } from './safety.ts';
import { refused } from './sentences.ts';
import { Store } from './store.ts';

/** `PreKeysLow` tells of fewer one-time keys than these. */
const LOW = 10;

/** One for each page. It signs in by itself where this tab has an account. */
export function createClient(): Client {
  const store = new Store(
    loadPreferences(),
    Connection.expected ? { at: 'lobby', ended: null } : { at: 'door', problem: null },
  );
  const met = new Met(store);
  let account: string | null = null;
  let keyring: Promise<Keyring> | undefined;

  const connection = new Connection(store, { opened, suspended, closed, event });
  const media: Media = new Media(store, () => {
    calls.tracksChanged();
    rooms.tellMedia();
  });
  const calls = new Calls(store, connection.ask, () => media.tracks);
  const parts: RoomParts = { store, ask: connection.ask, calls, media, met, keyring: keys };
  const rooms = new Rooms(parts);
  const matchmaking = new Matchmaking(parts, rooms);
  const invites = new Invites(parts, rooms, matchmaking, (work) => connection.inTurn(work));
  const safety = new Safety(store, connection.ask, met, () => connection.refresh());
  countAtDoor(store);

  function keys(): Promise<Keyring> {
    if (account === null) return Promise.reject(new Error('Nobody is signed in.'));
    keyring ??= Keyring.open(account, keyServer(connection.ask));
    return keyring;
  }

  function opened(accountId: string): void {
    signedIn(accountId);
    const { place } = store.state();
    if (place.at === 'door' || place.at === 'suspended') store.set({ place: { at: 'lobby', ended: null } });
    void safety.look(false);
  }

  function suspended(accountId: string): void {
    signedIn(accountId);
    rooms.exit(null);
    store.set({ place: { at: 'suspended' } });
    void safety.look(true);
  }

  function signedIn(accountId: string): void {
    if (account === accountId) return;
    account = accountId;
    keyring = undefined;
    met.open(accountId);
  }

  function closed(problem: string | null): void {
    if (account !== null)
      void keys().then(
        (ring) => ring.forgetAccount(),
        () => {},
      );
    rooms.exit(null);
    account = null;
    keyring = undefined;
    met.open(null);
    safety.stop();
    store.set({ place: { at: 'door', problem } });
  }

  async function event(event: Event): Promise<void> {
    switch (event.__typename) {
      case 'MatchSnapshot':
      case 'ResyncRequired':
        await matchmaking.stand();
        return refill();
      case 'QueueJoined':
        return matchmaking.queueJoined(event);
      case 'QueueLeft':
        return matchmaking.queueLeft(event);
      case 'Matched':
        return matchmaking.matched(event);
      case 'MatchEnded':
        return matchmaking.matchEnded(event);
      case 'SignalReceived':
        return event.room.id === store.room?.id ? calls.receive(event) : undefined;
      case 'MemberJoined':
        return rooms.joined(event);
      case 'MemberLeft':
        return rooms.left(event);
      case 'MemberUpdated':
        return rooms.updated(event);
      case 'MessageSent':
        return event.room.id === store.room?.id ? rooms.chat?.received(event.edge) : undefined;
      case 'KeysPublished':
        return event.room.id === store.room?.id
          ? rooms.chat?.keysPublished(event.member.id, event.identityChanged)
          : undefined;
      case 'PreKeysLow':
        return (await keys()).preKeysLow(event.remaining);
      case 'Warned':
        store.notice('bad', `A moderator warned you: ${event.warning.reason}`);
        return safety.look(false);
      case 'Suspended':
        if (event.suspension.scope === 'MATCHING') store.notice('bad', `You are suspended: ${event.suspension.reason}`);
        return safety.look(false);
    }
  }

  /** Nobody was told of keys that were used up while the viewer was away. */
  async function refill(): Promise<void> {
    if (store.room === null) return;
    const { me } = await connection.ask(PreKeyCountDocument, {});
    if (me !== null && me.oneTimePreKeyCount < LOW) await (await keys()).preKeysLow(me.oneTimePreKeyCount);
  }

  /** What fails on the way is an outcome as well. */
  async function outcome(work: () => Outcome): Outcome {
    try {
      return await work();
    } catch (error) {
      return inWords(error);
    }
  }

  /** What has to leave the place before by the socket: while that is lost it would wait, and nobody knows for what. */
  function going(work: () => Outcome): Outcome {
    return store.state().connection === 'lost' ? Promise.resolve(LOST) : outcome(work);
  }

  return {
    state: store.state,
    subscribe: store.subscribe,
    signIn: (displayName) =>
      outcome(async () => ((await connection.signIn(displayName)) === null ? null : refused(NAME))),
    signOut: () =>
      outcome(async () => {
        await connection.signOut();
        return null;
      }),
    rename: (displayName) =>
      outcome(async () => {
        const { updateProfile: answer } = await connection.ask(UpdateProfileDocument, { input: { displayName } });
        if (answer.__typename !== 'UpdateProfileSuccess') return refused(answer);
        connection.renamed(answer.user.displayName);
        return null;
      }),
    joinQueue: (preferences) => going(() => matchmaking.join(preferences)),
    leaveQueue: () => outcome(() => matchmaking.leaveQueue()),
    skip: () => outcome(() => matchmaking.skip()),
    hangUp: () => outcome(() => matchmaking.hangUp()),
    createRoom: (name, capacity) => going(() => invites.create(name, capacity)),
    previewRoom: (code) => invites.preview(code),
    joinRoom: (code) => going(() => invites.join(code)),
    rotateInvite: () => outcome(() => invites.rotate()),
    closeRoom: () => outcome(() => invites.close()),
    moderate: (action, memberId) => outcome(() => invites.moderate(action, memberId)),
    setCamera: (on) => media.setCamera(on),
    setMicrophone: (on) => media.setMicrophone(on),
    shareScreen: (on) => media.shareScreen(on),
    devices: () => media.devices(),
    chooseDevice: (kind, deviceId) => media.choose(kind, deviceId),
    reconnectPeer: (memberId) => calls.restart(memberId),
    say: (text) => rooms.say(text),
    sayAgain: (lineId) => rooms.chat?.outbox.sayAgain(lineId),
    typing: () => rooms.typing(),
    chatSeen: () => {
      const { room } = store;
      if (room !== null && room.chat.unread > 0) store.setChat(room.id, () => ({ unread: 0 }));
    },
    trust: async (memberId) => {
      await rooms.chat?.trust(memberId).catch((error: unknown) => store.notice('bad', inWords(error)));
    },
    report: (memberId, category, comment, messageIds) =>
      outcome(() => safety.report(memberId, category, comment, messageIds)),
    block: (memberId) => outcome(() => safety.block(memberId)),
    blocks: () => safety.blocks(),
    unblock: (blockId) => outcome(() => safety.unblock(blockId)),
    appeal: (suspensionId, statement) => outcome(() => safety.appeal(suspensionId, statement)),
    exportMyData: () =>
      safety.exportMyData().catch((error: unknown) => {
        throw new Error(inWords(error));
      }),
    deleteMyAccount: () =>
      outcome(async () => {
        await connection.leave(() => safety.deleteMyAccount());
        return null;
      }),
    dismissNotice: (id) => store.dismiss(id),
  };
}

const LOST = 'The connection to the server is lost. Please try again as soon as it is back.';
const NAME = { __typename: 'InvalidInputError', field: 'displayName' } as const;
