/** What the keys module gives and takes: the shapes of the API that it needs, and what a front end is told. No GraphQL here. */

export interface PublicKey {
  readonly keyId: number;
  readonly key: string;
}

export interface SignedKey extends PublicKey {
  readonly signature: string;
}

export interface PublishKeysInput {
  readonly suite: 'X3DH_25519';
  readonly identityKey: string;
  readonly signedPreKey: SignedKey;
  readonly oneTimePreKeys: PublicKey[];
}

export interface KeyBundle {
  readonly identityKey: string;
  readonly signedPreKey: SignedKey;
  readonly oneTimePreKey: PublicKey | null;
}

/** As the query `keys` shows it: to compare identity keys, not to begin a session. */
export interface PublishedIdentity {
  readonly member: { readonly id: string };
  readonly identityKey: string;
}

/** What `sendMessage` takes beside room and client message ID. */
export interface Sealed {
  readonly ciphertext: string;
  readonly commitment: string;
}

/** What is sealed, as the server delivers it. */
export interface Delivered {
  readonly ciphertext: string;
  readonly commitment: string | null;
  /** The server's; `ciphertextHash` is what a receiver can check of it. */
  readonly frankingTag: { readonly ciphertextHash: string } | null;
}

export interface Message extends Delivered {
  readonly id: string;
  readonly clientMessageId: string;
  readonly sender: { readonly id: string };
}

/**
 * The four operations of the API that keys need. Whoever implements them repeats what failed on the way, if they like: all four may
 * be repeated. They reject when there is no answer that means what is said here.
 */
export interface KeyServer {
  /** `claimKeyBundle`; null for `NoKeysError`: the member has published none. */
  claimKeyBundle(memberId: string, requestId: string): Promise<KeyBundle | null>;
  publishKeys(input: PublishKeysInput): Promise<void>;
  addOneTimePreKeys(oneTimePreKeys: PublicKey[]): Promise<void>;
  /** `keys`: of those inside who have published. */
  keys(roomId: string): Promise<readonly PublishedIdentity[]>;
}

/**
 * How long an identity key lives. `lasting`: the same in every invite room, so that friends are not warned each time. `match`: one
 * match, so that nobody is recognised in the next.
 */
export type Lifetime = 'lasting' | 'match';

/** A room as its keys need it. */
export interface RoomOfKeys {
  readonly id: string;
  readonly kind: 'MATCH' | 'INVITE';
  /** Member IDs. */
  readonly me: string;
  /** Member IDs of the others who are inside. */
  readonly others: readonly string[];
}

/**
 * Why a member cannot read a message. `noKeys`: they have published none yet. `changed`: their identity changed, and nobody has
 * trusted it. `unavailable`: their keys could not be fetched or are not what they should be; the next message tries again.
 */
export type Unreadable = 'noKeys' | 'changed' | 'unavailable';

/** A message to send with `sendMessage`, and who of those inside will not be able to read it. */
export interface Outgoing extends Sealed {
  readonly unreadable: Readonly<Record<string, Unreadable>>;
}

/**
 * Why a message is not shown. `notForMe`: it was not encrypted for this device, for instance because it was sent before it came.
 * `changed`: its sender has another identity key; read it again after `trust`. `notProvable`: a report of it would prove nothing.
 * `damaged`: changed on its way, forged, or delivered a second time.
 */
export type Refusal = 'notForMe' | 'changed' | 'notProvable' | 'damaged';

/** What became of a message. */
export type Reading =
  | {
      readonly text: string;
      /** What a report discloses with the text; null for one's own. */
      readonly openingKey: string | null;
      /** Whether a report can prove it: another's, with a commitment that opened. */
      readonly provable: boolean;
    }
  | { readonly refused: Refusal };

/** Another member's keys, as far as they are known. */
export interface MemberKeys {
  readonly memberId: string;
  /** `ready`: they can read what is sent. `waiting`: they have published no keys yet. `changed`: nothing is sent before `trust`. */
  readonly state: 'ready' | 'waiting' | 'changed';
  /** Sixty digits, equal on both sides unless somebody sits between; of the new identity while `changed`, null while waiting. */
  readonly safetyNumber: string | null;
}
