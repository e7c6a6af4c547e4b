/** Rooms with friends: opened, entered by a code, ruled and closed. What happens inside is `rooms.ts`. */

import { inWords } from '../../shared/failures.ts';
import {
  CloseRoomDocument,
  CreateRoomDocument,
  DemoteMemberDocument,
  JoinRoomDocument,
  KickMemberDocument,
  MuteMemberDocument,
  PromoteMemberDocument,
  RoomByInviteDocument,
  RotateInviteDocument,
  UnmuteMemberDocument,
} from '../generated.ts';
import type { Actions, Outcome, Preview } from '../state.ts';
import type { Matchmaking } from './matchmaking.ts';
import type { RoomParts, Rooms } from './rooms.ts';
import { refused } from './sentences.ts';

export class Invites {
  readonly #parts: RoomParts;
  readonly #rooms: Rooms;
  readonly #matchmaking: Matchmaking;
  readonly #inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>;

  constructor(
    parts: RoomParts,
    rooms: Rooms,
    matchmaking: Matchmaking,
    inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>,
  ) {
    this.#parts = parts;
    this.#rooms = rooms;
    this.#matchmaking = matchmaking;
    this.#inTurn = inTurn;
  }

  async create(name: string, capacity: number): Outcome {
    await this.#comeFree();
    return this.#inTurn(async () => {
      const { createRoom } = await this.#parts.ask(CreateRoomDocument, { input: { name, capacity } });
      if (createRoom.__typename !== 'CreateRoomSuccess') return refused(createRoom);
      this.#rooms.enter(createRoom.room);
      return null;
    });
  }

  /** Null for a code that leads nowhere, and, with a notice, when that could not be found out. */
  async preview(inviteCode: string): Promise<Preview | null> {
    try {
      return (await this.#parts.ask(RoomByInviteDocument, { inviteCode })).roomByInvite;
    } catch (error) {
      this.#parts.store.notice('bad', inWords(error));
      return null;
    }
  }

  async join(inviteCode: string): Outcome {
    await this.#comeFree();
    return this.#inTurn(async () => {
      const { joinRoom } = await this.#parts.ask(JoinRoomDocument, { input: { inviteCode } }, { patient: true });
      if (joinRoom.__typename === 'NotFoundError') return 'This code leads nowhere: perhaps there is a newer one.';
      if (joinRoom.__typename !== 'JoinRoomSuccess') return refused(joinRoom);
      this.#rooms.enter(joinRoom.room);
      return null;
    });
  }

  async rotate(): Outcome {
    const { store, ask } = this.#parts;
    const roomId = store.room?.id;
    if (roomId === undefined) return null;
    const { rotateInvite } = await ask(RotateInviteDocument, { input: { roomId } });
    if (rotateInvite.__typename !== 'RotateInviteSuccess') return refused(rotateInvite);
    const { inviteCode } = rotateInvite.room;
    store.setRoom(roomId, () => ({ inviteCode }));
    return null;
  }

  async close(): Outcome {
    const { store, ask } = this.#parts;
    const roomId = store.room?.id;
    if (roomId === undefined) return null;
    this.#rooms.closing = roomId;
    try {
      const { closeRoom } = await ask(CloseRoomDocument, { input: { roomId } }, { patient: true });
      if (closeRoom.__typename !== 'CloseRoomSuccess') return refused(closeRoom);
      if (store.room?.id === roomId) this.#rooms.exit(null);
      return null;
    } finally {
      this.#rooms.closing = null;
    }
  }

  async moderate(action: Parameters<Actions['moderate']>[0], memberId: string): Outcome {
    const answer = await this.#moderate(action, { input: { memberId } });
    return answer.__typename.endsWith('Success') ? null : refused(answer);
  }

  async #moderate(
    action: Parameters<Actions['moderate']>[0],
    whom: { readonly input: { readonly memberId: string } },
  ): Promise<{ readonly __typename: string }> {
    const { ask } = this.#parts;
    switch (action) {
      case 'mute':
        return (await ask(MuteMemberDocument, whom)).muteMember;
      case 'unmute':
        return (await ask(UnmuteMemberDocument, whom)).unmuteMember;
      case 'kick':
        return (await ask(KickMemberDocument, whom)).kickMember;
      case 'promote':
        return (await ask(PromoteMemberDocument, whom)).promoteMember;
      case 'demote':
        return (await ask(DemoteMemberDocument, whom)).demoteMember;
    }
  }

  /** One is in one place: leaves the queue and the room before, and shows friends the identity that they know. */
  async #comeFree(): Promise<void> {
    await this.#matchmaking.hangUp();
    await (await this.#parts.keyring()).publish('lasting');
  }
}
