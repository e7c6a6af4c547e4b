/**
 * The GraphQL operations of an encrypted conversation, with the types of what they take and give.
 *
 * A front end generates the types from schema.graphql (graphql-codegen); here they are written out, to be read.
 */

import type { KeyBundle, Message, PublicKey, PublishedIdentity, PublishKeysInput } from '../core/keys/types.ts';

/** A document, and in its type what it takes and what its `data` is. */
export interface Operation<Data, Variables> {
  readonly text: string;
  /** Only for the type checker. */
  readonly types?: (variables: Variables) => Data;
}

/** A member of a payload's union that stands for a failure of the domain. */
export interface Failure {
  readonly __typename: `${string}Error`;
  readonly message: string;
}

export interface Session {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: string;
  readonly refreshToken: string;
}

export interface Member {
  readonly id: string;
  readonly displayName: string;
  readonly polite: boolean;
}

export interface Room {
  readonly id: string;
  readonly inviteCode: string | null;
  readonly me: Member | null;
  readonly members: readonly Member[];
}

export interface MessageEdge {
  readonly cursor: string;
  readonly node: Message;
}

/** The events that a conversation needs; `events` has others, which it passes over. */
export type Event = { readonly cursor: string } & (
  | { readonly __typename: 'MatchSnapshot' | 'ResyncRequired' }
  | { readonly __typename: 'MemberJoined'; readonly room: { readonly id: string }; readonly member: Member }
  | { readonly __typename: 'MessageSent'; readonly room: { readonly id: string }; readonly edge: MessageEdge }
  | {
      readonly __typename: 'KeysPublished';
      readonly room: { readonly id: string };
      readonly member: { readonly id: string };
      readonly identityChanged: boolean;
    }
  | { readonly __typename: 'PreKeysLow'; readonly remaining: number }
);

const SESSION = 'session { accessToken accessTokenExpiresAt refreshToken }';
const MEMBER = 'id displayName polite';
const ROOM_FIELDS = `id inviteCode me { ${MEMBER} } members { ${MEMBER} }`;
const EDGE =
  'cursor node { id clientMessageId sender { id } ciphertext commitment frankingTag { keyId ciphertextHash tag } sentAt }';
const FAILURE = '... on UserError { message }';

export const SIGN_IN: Operation<
  { signInAnonymously: { session: Session } | Failure },
  { input: { displayName: string } }
> = {
  text: `mutation SignIn($input: SignInAnonymouslyInput!) {
    signInAnonymously(input: $input) { __typename ... on SignInAnonymouslySuccess { ${SESSION} } ${FAILURE} }
  }`,
};

export const REFRESH: Operation<
  { refreshSession: { session: Session } | Failure },
  { input: { refreshToken: string } }
> = {
  text: `mutation Refresh($input: RefreshSessionInput!) {
    refreshSession(input: $input) { __typename ... on RefreshSessionSuccess { ${SESSION} } ${FAILURE} }
  }`,
};

export const CREATE_ROOM: Operation<
  { createRoom: { room: Room } | Failure },
  { input: { name: string; capacity?: number } }
> = {
  text: `mutation CreateRoom($input: CreateRoomInput!) {
    createRoom(input: $input) { __typename ... on CreateRoomSuccess { room { ${ROOM_FIELDS} } } ${FAILURE} }
  }`,
};

export const JOIN_ROOM: Operation<{ joinRoom: { room: Room } | Failure }, { input: { inviteCode: string } }> = {
  text: `mutation JoinRoom($input: JoinRoomInput!) {
    joinRoom(input: $input) { __typename ... on JoinRoomSuccess { room { ${ROOM_FIELDS} } } ${FAILURE} }
  }`,
};

export const PUBLISH_KEYS: Operation<
  { publishKeys: { oneTimePreKeyCount: number } | Failure },
  { input: PublishKeysInput }
> = {
  text: `mutation PublishKeys($input: PublishKeysInput!) {
    publishKeys(input: $input) { __typename ... on PublishKeysSuccess { oneTimePreKeyCount } ${FAILURE} }
  }`,
};

export const ADD_ONE_TIME_PRE_KEYS: Operation<
  { addOneTimePreKeys: { oneTimePreKeyCount: number } | Failure },
  { input: { oneTimePreKeys: readonly PublicKey[] } }
> = {
  text: `mutation AddOneTimePreKeys($input: AddOneTimePreKeysInput!) {
    addOneTimePreKeys(input: $input) { __typename ... on AddOneTimePreKeysSuccess { oneTimePreKeyCount } ${FAILURE} }
  }`,
};

export const CLAIM_KEY_BUNDLE: Operation<
  { claimKeyBundle: { bundle: KeyBundle } | Failure },
  { input: { memberId: string; requestId: string } }
> = {
  text: `mutation ClaimKeyBundle($input: ClaimKeyBundleInput!) {
    claimKeyBundle(input: $input) {
      __typename
      ... on ClaimKeyBundleSuccess {
        bundle { identityKey signedPreKey { keyId key signature } oneTimePreKey { keyId key } }
      }
      ${FAILURE}
    }
  }`,
};

export const SEND_MESSAGE: Operation<
  { sendMessage: { edge: MessageEdge } | Failure },
  { input: { roomId: string; clientMessageId: string; ciphertext: string; commitment: string } }
> = {
  text: `mutation SendMessage($input: SendMessageInput!) {
    sendMessage(input: $input) { __typename ... on SendMessageSuccess { edge { ${EDGE} } } ${FAILURE} }
  }`,
};

export const MESSAGES: Operation<
  {
    messages: {
      edges: readonly MessageEdge[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
    } | null;
  },
  { roomId: string; first?: number; after?: string; last?: number; before?: string }
> = {
  text: `query Messages($roomId: ID!, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    messages(roomId: $roomId, first: $first, after: $after, last: $last, before: $before) {
      edges { ${EDGE} }
      pageInfo { hasNextPage endCursor }
    }
  }`,
};

export const ROOM: Operation<{ room: Room | null }, { roomId: string }> = {
  text: `query Room($roomId: ID!) { room(id: $roomId) { ${ROOM_FIELDS} } }`,
};

export const KEYS: Operation<{ keys: readonly PublishedIdentity[] | null }, { roomId: string }> = {
  text: 'query Keys($roomId: ID!) { keys(roomId: $roomId) { member { id } identityKey } }',
};

export const EVENTS: Operation<{ events: Event }, Record<string, never>> = {
  text: `subscription Events {
    events {
      __typename
      cursor
      ... on MemberJoined { room { id } member { ${MEMBER} } }
      ... on MessageSent { room { id } edge { ${EDGE} } }
      ... on KeysPublished { room { id } member { id } identityChanged }
      ... on PreKeysLow { remaining }
    }
  }`,
};
