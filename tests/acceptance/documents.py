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
  id kind mode name capacity sharedInterests createdAt closedAt me { ...MemberParts } members { ...MemberParts }
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

# ------------------------------------------------------------------------------------------ queries

STATS = "query Stats { stats { online waiting inCall openRooms matchesLastHour medianWaitSeconds } }"
ME = "query Me { me { id createdAt operatorRole user { id displayName } suspension { id } suspensions { id } } }"
TICKET = "query WaitingTicket { ticket { ...TicketParts } }" + _TICKET
ROOMS = "query Rooms { rooms { ...RoomParts } }" + _ROOM
ROOM = "query OneRoom($id: ID!) { room(id: $id) { ...RoomParts } }" + _ROOM
ICE = """
query Ice($roomId: ID!) {
  iceConfiguration(roomId: $roomId) { relayOnly servers { urls username credential expiresAt } }
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
} }
"""
    + _TICKET
    + _ROOM
    + _SIGNAL
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
STATS_LIVE = "subscription LiveStats { stats { online waiting inCall openRooms matchesLastHour medianWaitSeconds } }"
