"""Every GraphQL document that the acceptance clients send, as a front end would write them."""

from __future__ import annotations

_TICKET = "fragment TicketParts on Ticket { id status mode interests languages enqueuedAt widensAt room { id } }"
_MEMBER = """
fragment MemberParts on Member {
  id displayName role muted status media { camera microphone screen } typing polite joinedAt
}
"""
_ROOM = (
    """
fragment RoomParts on Room {
  id kind mode name inviteCode capacity sharedInterests createdAt closedAt me { ...MemberParts } members { ...MemberParts }
}
"""
    + _MEMBER
)
_SIGNAL = """
fragment SignalParts on SignalReceived {
  id callId room { id } sender { id }
  signal {
    __typename
    ... on Offer { sdp }
    ... on Answer { sdp }
    ... on IceCandidates { endOfCandidates candidates { candidate sdpMid sdpMLineIndex usernameFragment } }
    ... on HangUp { reason }
  }
}
"""
_SESSION = (
    "fragment SessionParts on Session { accessToken accessTokenExpiresAt refreshToken scope user { id displayName } }"
)
_MESSAGE = """
fragment MessageParts on MessageEdge {
  cursor
  node { id sender { id } clientMessageId ciphertext commitment frankingTag { keyId ciphertextHash tag } sentAt }
}
"""
_BUNDLE = """
fragment BundleParts on KeyBundle {
  member { id displayName } suite identityKey signedPreKey { keyId key signature } lastResortKemKey { keyId key signature }
  oneTimePreKey { keyId key } oneTimeKemKey { keyId key signature } updatedAt
}
"""

# ------------------------------------------------------------------------------------------ queries

STATS = "query Stats { stats { online waiting inCall openRooms matchesLastHour medianWaitSeconds } }"
ME = "query Me { me { id createdAt operatorRole user { id displayName } suspension { id } suspensions { id } } }"
TICKET = "query WaitingTicket { ticket { ...TicketParts } }" + _TICKET
ROOMS = "query Rooms { rooms { ...RoomParts } }" + _ROOM
ROOM = "query OneRoom($id: ID!) { room(id: $id) { ...RoomParts } }" + _ROOM
ROOM_BY_INVITE = """
query RoomByInvite($inviteCode: String!) { roomByInvite(inviteCode: $inviteCode) { name memberCount capacity } }
"""
MESSAGES = (
    """
query Messages($roomId: ID!, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
  messages(roomId: $roomId, first: $first, after: $after, last: $last, before: $before) {
    edges { ...MessageParts }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
    + _MESSAGE
)
KEYS = "query Keys($roomId: ID!) { keys(roomId: $roomId) { ...BundleParts } }" + _BUNDLE
KEY_COUNTS = "query KeyCounts { me { oneTimePreKeyCount oneTimeKemKeyCount } }"
ICE = """
query Ice($roomId: ID!) {
  iceConfiguration(roomId: $roomId) { relayOnly servers { urls username credential expiresAt } }
}
"""
MY_REPORTS = "query MyReports { myReports { edges { node { id category status } } } }"
STANDING = """
query Standing {
  me {
    suspension { id }
    suspensions { id scope automated category reason endsAt liftedAt appeal { status reason } }
    warnings { reason }
  }
}
"""
STATE = (
    "query State { me { user { id displayName } } ticket { ...TicketParts } rooms { ...RoomParts } }" + _TICKET + _ROOM
)
"""All that a viewer can see of their own standing: equal before and after whatever must change nothing."""

# ------------------------------------------------------------------------------------------ mutations

SIGN_IN = (
    """
mutation SignIn($input: SignInAnonymouslyInput!) {
  signInAnonymously(input: $input) {
    __typename
    ... on SignInAnonymouslySuccess { deviceToken session { ...SessionParts } }
    ... on UserError { message }
    ... on InvalidInputError { field }
  }
}
"""
    + _SESSION
)
REFRESH = (
    """
mutation Refresh($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    __typename
    ... on RefreshSessionSuccess { session { ...SessionParts } }
    ... on UserError { message }
  }
}
"""
    + _SESSION
)
SIGN_OUT = "mutation SignOut { signOut { __typename ... on SignOutSuccess { user { id } } } }"
UPDATE_PROFILE = """
mutation UpdateProfile($input: UpdateProfileInput!) {
  updateProfile(input: $input) {
    __typename
    ... on UpdateProfileSuccess { user { id displayName } }
    ... on UserError { message }
    ... on InvalidInputError { field }
    ... on SuspendedError { suspension { id } }
  }
}
"""
JOIN = (
    """
mutation Join($input: JoinQueueInput!) {
  joinQueue(input: $input) {
    __typename
    ... on JoinQueueSuccess { ticket { ...TicketParts } }
    ... on UserError { message }
    ... on InvalidInputError { field }
    ... on AlreadyInMatchError { room { id } }
    ... on SuspendedError { suspension { id } }
  }
}
"""
    + _TICKET
)
LEAVE = "mutation Leave { leaveQueue { __typename ... on LeaveQueueSuccess { ticket { ...TicketParts } } } }" + _TICKET
SKIP = (
    """
mutation Skip($input: SkipInput!) {
  skip(input: $input) {
    __typename
    ... on SkipSuccess { ticket { ...TicketParts } }
    ... on UserError { message }
    ... on SuspendedError { suspension { id } }
  }
}
"""
    + _TICKET
)
SEND_SIGNAL = """
mutation Send($input: SendSignalInput!) {
  sendSignal(input: $input) {
    __typename
    ... on SendSignalSuccess { id }
    ... on UserError { message }
    ... on InvalidInputError { field }
  }
}
"""
UPDATE_PRESENCE = (
    """
mutation Presence($input: UpdatePresenceInput!) {
  updatePresence(input: $input) {
    __typename
    ... on UpdatePresenceSuccess { member { ...MemberParts } }
    ... on UserError { message }
  }
}
"""
    + _MEMBER
)
CREATE_ROOM = (
    """
mutation CreateRoom($input: CreateRoomInput!) {
  createRoom(input: $input) {
    __typename
    ... on CreateRoomSuccess { room { ...RoomParts } }
    ... on UserError { message }
    ... on InvalidInputError { field }
    ... on SuspendedError { suspension { id } }
  }
}
"""
    + _ROOM
)
JOIN_ROOM = (
    """
mutation JoinRoom($input: JoinRoomInput!) {
  joinRoom(input: $input) {
    __typename
    ... on JoinRoomSuccess { room { ...RoomParts } }
    ... on UserError { message }
    ... on RoomFullError { capacity }
    ... on SuspendedError { suspension { id } }
  }
}
"""
    + _ROOM
)
LEAVE_ROOM = (
    """
mutation LeaveRoom($input: LeaveRoomInput!) {
  leaveRoom(input: $input) { __typename ... on LeaveRoomSuccess { room { ...RoomParts } } ... on UserError { message } }
}
"""
    + _ROOM
)
ROTATE_INVITE = (
    """
mutation RotateInvite($input: RotateInviteInput!) {
  rotateInvite(input: $input) { __typename ... on RotateInviteSuccess { room { ...RoomParts } } ... on UserError { message } }
}
"""
    + _ROOM
)
CLOSE_ROOM = (
    """
mutation CloseRoom($input: CloseRoomInput!) {
  closeRoom(input: $input) { __typename ... on CloseRoomSuccess { room { ...RoomParts } } ... on UserError { message } }
}
"""
    + _ROOM
)
MUTE = (
    """
mutation Mute($input: MemberActionInput!) {
  muteMember(input: $input) { __typename ... on MuteMemberSuccess { member { ...MemberParts } } ... on UserError { message } }
}
"""
    + _MEMBER
)
UNMUTE = (
    """
mutation Unmute($input: MemberActionInput!) {
  unmuteMember(input: $input) { __typename ... on UnmuteMemberSuccess { member { ...MemberParts } } ... on UserError { message } }
}
"""
    + _MEMBER
)
KICK = (
    """
mutation Kick($input: MemberActionInput!) {
  kickMember(input: $input) { __typename ... on KickMemberSuccess { room { ...RoomParts } } ... on UserError { message } }
}
"""
    + _ROOM
)
PROMOTE = (
    """
mutation Promote($input: MemberActionInput!) {
  promoteMember(input: $input) { __typename ... on PromoteMemberSuccess { member { ...MemberParts } } ... on UserError { message } }
}
"""
    + _MEMBER
)
DEMOTE = (
    """
mutation Demote($input: MemberActionInput!) {
  demoteMember(input: $input) { __typename ... on DemoteMemberSuccess { member { ...MemberParts } } ... on UserError { message } }
}
"""
    + _MEMBER
)
SEND_MESSAGE = (
    """
mutation SendMessage($input: SendMessageInput!) {
  sendMessage(input: $input) {
    __typename
    ... on SendMessageSuccess { edge { ...MessageParts } }
    ... on UserError { message }
    ... on InvalidInputError { field }
    ... on SuspendedError { suspension { id } }
  }
}
"""
    + _MESSAGE
)
PUBLISH_KEYS = """
mutation PublishKeys($input: PublishKeysInput!) {
  publishKeys(input: $input) {
    __typename
    ... on PublishKeysSuccess { oneTimePreKeyCount oneTimeKemKeyCount }
    ... on UserError { message }
    ... on InvalidInputError { field }
  }
}
"""
ADD_PRE_KEYS = """
mutation AddPreKeys($input: AddOneTimePreKeysInput!) {
  addOneTimePreKeys(input: $input) {
    __typename
    ... on AddOneTimePreKeysSuccess { oneTimePreKeyCount oneTimeKemKeyCount }
    ... on UserError { message }
    ... on InvalidInputError { field }
  }
}
"""
CLAIM_KEYS = (
    """
mutation ClaimKeys($input: ClaimKeyBundleInput!) {
  claimKeyBundle(input: $input) {
    __typename
    ... on ClaimKeyBundleSuccess { bundle { ...BundleParts } }
    ... on UserError { message }
  }
}
"""
    + _BUNDLE
)

SIGN_IN_OPERATOR = (
    """
mutation SignInOperator($input: SignInOperatorInput!) {
  signInOperator(input: $input) {
    __typename
    ... on SignInOperatorSuccess { session { ...SessionParts } }
    ... on UserError { message }
  }
}
"""
    + _SESSION
)
BLOCK = """
mutation Block($input: BlockUserInput!) {
  blockUser(input: $input) { __typename ... on BlockUserSuccess { block { id } } ... on UserError { message } }
}
"""
REPORT = """
mutation Report($input: ReportUserInput!) {
  reportUser(input: $input) {
    __typename
    ... on ReportUserSuccess { report { id status } }
    ... on UserError { message }
    ... on InvalidInputError { field }
  }
}
"""
CASES = """
query Cases($subjectId: ID, $statuses: [CaseStatus!]) {
  cases(subjectId: $subjectId, statuses: $statuses) { edges { node { id status } } }
}
"""
CASE = """
query OneCase($id: ID!) {
  case(id: $id) {
    status priority subject { id displayName }
    reports { edges { node { weight report { category comment status } evidence { plaintext sentAt verified } } } }
  }
}
"""
AUDIT_LOG = "query AuditLog { auditLog { edges { node { actor { id } action target details } } } }"
CLAIM_CASE = """
mutation ClaimCase($input: CaseActionInput!) {
  claimCase(input: $input) {
    __typename
    ... on ClaimCaseSuccess { case { id status } }
    ... on UserError { message }
  }
}
"""
DECIDE_CASE = """
mutation DecideCase($input: DecideCaseInput!) {
  decideCase(input: $input) {
    __typename
    ... on DecideCaseSuccess { case { id status suspension { id endsAt } } }
    ... on UserError { message }
  }
}
"""
LIFT = """
mutation Lift($input: LiftSuspensionInput!) {
  liftSuspension(input: $input) {
    __typename
    ... on LiftSuspensionSuccess { suspension { id liftedAt } }
    ... on UserError { message }
  }
}
"""
APPEAL = """
mutation Appeal($input: AppealSuspensionInput!) {
  appealSuspension(input: $input) {
    __typename
    ... on AppealSuspensionSuccess { appeal { id status } }
    ... on UserError { message }
  }
}
"""
DECIDE_APPEAL = """
mutation DecideAppeal($input: DecideAppealInput!) {
  decideAppeal(input: $input) {
    __typename
    ... on DecideAppealSuccess { case { id status suspension { id liftedAt } } }
    ... on UserError { message }
  }
}
"""

# ------------------------------------------------------------------------------------------ subscriptions

_MATCH_KINDS = """
... on MatchSnapshot { waitingTicket { ...TicketParts } currentRoom { ...RoomParts } }
... on QueueJoined { ticket { ...TicketParts } }
... on QueueLeft { queueLeaveReason ticket { ...TicketParts } }
... on Matched { ticket { ...TicketParts } room { ...RoomParts } partner { ...MemberParts } }
... on MatchEnded { matchEndReason room { id closedAt members { id } me { id } } }
... on Event { cursor at }
"""
EVENTS = (
    "subscription Events($after: Cursor) { events(after: $after) { __typename "
    + _MATCH_KINDS
    + """
... on SignalReceived { ...SignalParts }
... on MemberJoined { room { id } member { ...MemberParts } }
... on MemberLeft { memberLeaveReason room { id } member { ...MemberParts } }
... on MemberUpdated { room { id } member { ...MemberParts } }
... on MessageSent { room { id } edge { ...MessageParts } }
... on KeysPublished { identityChanged room { id } member { id } }
... on PreKeysLow { kind remaining }
... on Suspended { suspension { id scope automated reason } }
} }
"""
    + _TICKET
    + _ROOM
    + _SIGNAL
    + _MESSAGE
)
MATCH_EVENTS = (
    "subscription MatchEvents($after: Cursor) { matchEvents(after: $after) { __typename "
    + _MATCH_KINDS
    + "} }"
    + _TICKET
    + _ROOM
)
SIGNALS = (
    """
subscription Signals($roomId: ID!, $after: Cursor) {
  signals(roomId: $roomId, after: $after) { __typename ... on Event { cursor at } ... on SignalReceived { ...SignalParts } }
}
"""
    + _SIGNAL
)
PRESENCE = (
    """
subscription PresenceOf($roomId: ID!) {
  presence(roomId: $roomId) {
    __typename
    ... on Event { cursor at }
    ... on PresenceSnapshot { room { ...RoomParts } }
    ... on MemberJoined { member { ...MemberParts } }
    ... on MemberLeft { memberLeaveReason member { ...MemberParts } }
    ... on MemberUpdated { member { ...MemberParts } }
  }
}
"""
    + _ROOM
)
MESSAGES_LIVE = (
    """
subscription MessagesOf($roomId: ID!, $after: Cursor) {
  messages(roomId: $roomId, after: $after) {
    __typename
    ... on Event { cursor at }
    ... on MessageSent { room { id } edge { ...MessageParts } }
  }
}
"""
    + _MESSAGE
)
KEYS_LIVE = """
subscription KeysOf($roomId: ID!, $after: Cursor) {
  keyEvents(roomId: $roomId, after: $after) {
    __typename
    ... on Event { cursor at }
    ... on KeysPublished { identityChanged room { id } member { id displayName } }
    ... on PreKeysLow { kind remaining }
  }
}
"""
CASE_EVENTS = """
subscription CaseEvents($after: Cursor) {
  caseEvents(after: $after) {
    __typename
    ... on Event { cursor at }
    ... on CaseChanged { case { id status priority subject { id } } }
  }
}
"""
STATS_LIVE = "subscription LiveStats { stats { online waiting inCall openRooms matchesLastHour medianWaitSeconds } }"
