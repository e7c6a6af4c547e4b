/**
 * What the client knows, as one immutable value, and what can be done with it. The engine (`engine/client.ts`) makes the first and does the
 * second; the views show the first and call the second, and know nothing of GraphQL, WebRTC or keys.
 */

export type Mode = 'TEXT' | 'AUDIO' | 'VIDEO';

export interface Preferences {
  readonly mode: Mode;
  readonly interests: readonly string[];
  /** BCP 47 tags; none: any. */
  readonly languages: readonly string[];
  /** Seconds to hold out for a shared interest and language, 0 to 120. */
  readonly patience: number;
}

export interface Stats {
  readonly online: number;
  readonly waiting: number;
  readonly inCall: number;
  readonly medianWaitSeconds: number | null;
}

export interface Member {
  readonly id: string;
  readonly displayName: string;
  readonly role: 'OWNER' | 'MODERATOR' | 'MEMBER';
  readonly muted: boolean;
  readonly status: 'ONLINE' | 'AWAY' | 'LEFT';
  readonly media: { readonly camera: boolean; readonly microphone: boolean; readonly screen: boolean };
  readonly typing: boolean;
}

/** The peer connection to one other member. */
export interface Peer {
  readonly connection: 'connecting' | 'connected' | 'interrupted' | 'failed';
  /** Camera and microphone; null until a track came. */
  readonly stream: MediaStream | null;
  readonly screen: MediaStream | null;
}

/** The viewer's own media. `wanted` survives rooms; a device that was refused says why, in words for a person. */
export interface LocalMedia {
  readonly stream: MediaStream | null;
  readonly screen: MediaStream | null;
  readonly camera: boolean;
  readonly microphone: boolean;
  readonly problem: string | null;
}

/** A line of the chat. */
export type Line =
  | {
      readonly kind: 'message';
      /** The server's, once it answered; before that the client message ID. */
      readonly id: string;
      readonly senderId: string;
      readonly mine: boolean;
      readonly text: string;
      readonly sentAt: Date;
      readonly delivery: 'sending' | 'sent' | 'failed';
      /** Whether a report can prove it: received, with a commitment that opened. */
      readonly provable: boolean;
    }
  /** What could not be read, and what happened in the room: shown in a small line of its own. */
  | { readonly kind: 'note'; readonly id: string; readonly text: string; readonly at: Date };

export interface Chat {
  readonly lines: readonly Line[];
  /** `starting` while keys are published and claimed: what is said meanwhile is sent once they are there. */
  readonly encryption: 'starting' | 'ready' | 'unavailable';
  /** Members whose identity key changed: nothing is sent to them before `trust`. */
  readonly changedIdentities: readonly string[];
  /** By member ID: sixty digits to compare by voice, equal on both sides unless somebody sits between. */
  readonly safetyNumbers: Readonly<Record<string, string>>;
  readonly unread: number;
}

export interface Room {
  readonly id: string;
  readonly kind: 'MATCH' | 'INVITE';
  readonly mode: Mode;
  readonly name: string | null;
  /** Null to those who may not invite. */
  readonly inviteCode: string | null;
  readonly capacity: number;
  readonly me: Member;
  /** The others who are inside. */
  readonly members: readonly Member[];
  readonly sharedInterests: readonly string[];
  readonly enteredAt: Date;
  /** By member ID. */
  readonly peers: Readonly<Record<string, Peer>>;
  readonly chat: Chat;
}

/** Somebody the viewer met within the last 24 hours: can still be reported and blocked after the call. */
export interface Met {
  readonly memberId: string;
  readonly displayName: string;
  readonly roomId: string;
  /** Their provable messages, the newest last; at most 20 can be disclosed with a report. */
  readonly provable: readonly { readonly id: string; readonly text: string; readonly sentAt: Date }[];
  readonly reported: boolean;
  readonly blocked: boolean;
}

export interface Suspension {
  readonly id: string;
  readonly scope: 'MATCHING' | 'ALL';
  readonly reason: string;
  readonly category: string | null;
  readonly automated: boolean;
  readonly startsAt: Date;
  readonly endsAt: Date | null;
  readonly liftedAt: Date | null;
  readonly appeal: {
    readonly status: 'OPEN' | 'UPHELD' | 'OVERTURNED';
    readonly statement: string;
    readonly reason: string | null;
  } | null;
}

/** Which view is shown. */
export type Place =
  /** Nobody is signed in in this tab. */
  | { readonly at: 'door'; readonly problem: string | null }
  /** Signed in, nothing under way. `ended` tells how the last match or room ended, in words, until the next begins. */
  | { readonly at: 'lobby'; readonly ended: string | null }
  | { readonly at: 'waiting'; readonly since: Date; readonly widensAt: Date; readonly preferences: Preferences }
  | { readonly at: 'room'; readonly room: Room }
  /** The session may only appeal. */
  | { readonly at: 'suspended' };

export interface Notice {
  readonly id: number;
  readonly tone: 'info' | 'good' | 'bad';
  readonly text: string;
}

export interface State {
  readonly place: Place;
  /** `lost`: trying again by itself; calls go on meanwhile. */
  readonly connection: 'none' | 'connecting' | 'live' | 'lost';
  readonly account: { readonly id: string; readonly displayName: string } | null;
  readonly stats: Stats | null;
  readonly preferences: Preferences;
  readonly local: LocalMedia;
  /** The newest first. */
  readonly met: readonly Met[];
  /** The one that restricts most comes first; also one of scope MATCHING, under which the lobby stays open. */
  readonly suspensions: readonly Suspension[];
  readonly warnings: readonly { readonly id: string; readonly reason: string; readonly at: Date }[];
  /** Short messages that go away by themselves; also announced to screen readers. */
  readonly notices: readonly Notice[];
}

/** An outcome that a form shows beside its button: null is success, text is what went wrong, for a person. */
export type Outcome = Promise<string | null>;

export interface Preview {
  readonly name: string | null;
  readonly memberCount: number;
  readonly capacity: number;
}

export interface Block {
  readonly id: string;
  readonly displayName: string;
  readonly createdAt: Date;
}

export type Category =
  | 'CHILD_SAFETY'
  | 'MINOR_WITH_ADULT'
  | 'SEXUAL_CONTENT'
  | 'SEXTORTION'
  | 'VIOLENCE_OR_THREAT'
  | 'SELF_HARM'
  | 'HATE'
  | 'HARASSMENT'
  | 'SPAM_OR_SCAM'
  | 'IMPERSONATION'
  | 'PRIVACY'
  | 'OTHER';

export interface Actions {
  signIn(displayName: string): Outcome;
  /** Ends the session of this tab. */
  signOut(): Outcome;
  rename(displayName: string): Outcome;

  joinQueue(preferences: Preferences): Outcome;
  leaveQueue(): Outcome;
  /** Ends the match and queues again. */
  skip(): Outcome;
  /** Ends the match, or leaves the room, and goes to the lobby. */
  hangUp(): Outcome;

  createRoom(name: string, capacity: number): Outcome;
  /** Accepts what `#/join/CODE` or a person brings: spaces, hyphens and case do not matter. */
  previewRoom(code: string): Promise<Preview | null>;
  joinRoom(code: string): Outcome;
  rotateInvite(): Outcome;
  closeRoom(): Outcome;
  moderate(action: 'mute' | 'unmute' | 'kick' | 'promote' | 'demote', memberId: string): Outcome;

  /** Asks for the camera when it is first wanted. */
  setCamera(on: boolean): Promise<void>;
  setMicrophone(on: boolean): Promise<void>;
  shareScreen(on: boolean): Promise<void>;
  /** Cameras and microphones to choose from; labels are empty until the browser was allowed one. */
  devices(): Promise<readonly MediaDeviceInfo[]>;
  chooseDevice(kind: 'camera' | 'microphone', deviceId: string): Promise<void>;
  /** Another ICE restart, when the person asks for it. */
  reconnectPeer(memberId: string): void;

  /** Shows the line at once, and sends it; a failed one can be said again. */
  say(text: string): void;
  sayAgain(lineId: string): void;
  /** Call at each keystroke: the server is told seldom. */
  typing(): void;
  chatSeen(): void;
  /** After people compared their numbers, or decided to go on. */
  trust(memberId: string): Promise<void>;

  report(memberId: string, category: Category, comment: string, messageIds: readonly string[]): Outcome;
  block(memberId: string): Outcome;
  blocks(): Promise<readonly Block[]>;
  unblock(blockId: string): Outcome;
  appeal(suspensionId: string, statement: string): Outcome;
  /** A JSON document, to be saved as a file. */
  exportMyData(): Promise<string>;
  deleteMyAccount(): Outcome;
  dismissNotice(id: number): void;
}

/** The engine, as the views see it: `useSyncExternalStore(client.subscribe, client.state)`. */
export interface Client extends Actions {
  /** The same value until something changed. */
  readonly state: () => State;
  readonly subscribe: (changed: () => void) => () => void;
}
