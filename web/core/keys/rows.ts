/** What is stored under which path, and for how long. docs/ENCRYPTION.md, "Keeping keys". */

import type { ChatState } from './chat.ts';
import type { DeviceState } from './device.ts';
import type { Outgoing, PublishKeysInput, Reading } from './types.ts';

/** In ms; as long as the server keeps messages. */
export const KEPT_MS = 30 * 24 * 3_600_000;

/** account, "device", name. */
export interface DeviceRow {
  readonly state: DeviceState;
  readonly until?: number;
}

/** account, "published": what others are given now. `met`: a room was entered with it, so that somebody may have seen it. */
export interface PublishedRow {
  readonly device: string;
  readonly at: number;
  readonly met: boolean;
}

/** account, "publishing": a bundle that is under way. It is sent again as it is until the server answers: it may have taken it. */
export interface PublishingRow {
  readonly device: string;
  readonly input: PublishKeysInput;
}

/** account, "room", room ID. What follows is under it, and deleted with it. */
export interface RoomRow {
  readonly device: string;
  readonly until: number;
}

/** account, "room", room ID, "peer", member ID. */
export interface PeerRow {
  readonly chat: ChatState;
  /** Names a claim of their keys until its session has begun: asked again, the server gives the same and uses up no others. */
  readonly claim: string | null;
  /** Their new identity, which nobody has trusted yet. */
  readonly offered: Uint8Array | null;
}

/** account, "room", room ID, "sent", client message ID. */
export interface SentRow {
  readonly text: string;
  readonly outgoing: Outgoing;
  readonly until: number;
}

/** account, "room", room ID, "read", message ID. */
export interface ReadRow {
  readonly reading: Reading;
  readonly until: number;
}
