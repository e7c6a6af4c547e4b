/** What the clients send, as a front end would write it. */

const MEMBER = 'fragment MemberParts on Member { id displayName polite }';

const SIGNAL = `
fragment SignalParts on SignalReceived {
  callId room { id } sender { id }
  signal {
    __typename
    ... on Offer { sdp }
    ... on Answer { sdp }
    ... on IceCandidates { endOfCandidates candidates { candidate sdpMid sdpMLineIndex usernameFragment } }
    ... on HangUp { reason }
  }
}`;

export const SIGN_IN = `
mutation SignIn($input: SignInAnonymouslyInput!) {
  signInAnonymously(input: $input) {
    __typename
    ... on SignInAnonymouslySuccess { deviceToken session { accessToken refreshToken user { id displayName } } }
    ... on InvalidInputError { field message }
  }
}`;

export const ME = 'query Me { me { id user { id displayName } } }';

export const ROOMS = 'query Rooms { rooms { id } }';

export const UNKNOWN_FIELD = 'query Unknown { me { id shoeSize } }';

export const JOIN = `
mutation Join($input: JoinQueueInput!) {
  joinQueue(input: $input) { __typename ... on JoinQueueSuccess { ticket { id status interests } } }
}`;

export const LEAVE = 'mutation Leave { leaveQueue { __typename ... on LeaveQueueSuccess { ticket { id status } } } }';

export const SKIP = `
mutation Skip($input: SkipInput!) { skip(input: $input) { __typename ... on SkipSuccess { ticket { id } } } }`;

export const SEND = `
mutation Send($input: SendSignalInput!) { sendSignal(input: $input) { __typename ... on SendSignalSuccess { id } } }`;

export const EVENTS = `
subscription Events($after: Cursor) {
  events(after: $after) {
    __typename
    cursor
    ... on QueueJoined { ticket { id } }
    ... on QueueLeft { queueLeaveReason ticket { id } }
    ... on Matched { room { id me { id } } partner { ...MemberParts } }
    ... on MatchEnded { matchEndReason room { id } }
    ... on SignalReceived { ...SignalParts }
  }
}
${MEMBER}
${SIGNAL}`;

export const SIGNALS = `
subscription Signals($roomId: ID!) {
  signals(roomId: $roomId) { __typename ... on SignalReceived { cursor ...SignalParts } ... on ResyncRequired { cursor } }
}
${SIGNAL}`;
