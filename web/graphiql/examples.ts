/** Operations that work at the first click: the first few in tabs of their own, all of them in the panel of examples. */

export type Example = { title: string; about: string; query: string; variables?: string };

/** They need nobody signed in. */
const OPEN: readonly Example[] = [
  {
    title: 'Stats',
    about: 'A query that is open to everybody.',
    query: `# Run it with Ctrl-Enter, or with the button on the
# right. Hold the pointer over a field to read what
# it promises; type inside the braces to see what
# else there is.
query Stats {
  stats {
    online
    waiting
    inCall
    matchesLastHour
  }
}
`,
  },
  {
    title: 'LiveStats',
    about: 'A subscription over WebSocket that is open to everybody.',
    query: `# A subscription goes over WebSocket, in the
# protocol graphql-transport-ws, until you press the
# button again. Open / in another window, and see
# the numbers change.
subscription LiveStats {
  stats {
    online
    waiting
    inCall
    openRooms
  }
}
`,
  },
  {
    title: 'SignIn',
    about: 'Makes an account; or press the button "Sign in".',
    query: `# The button "Sign in" does this for you, and puts
# the token into the Headers tab below, as
# {"Authorization": "Bearer ..."}.
#
# Errors that are to be expected are types of the
# answer.
mutation SignIn($input: SignInAnonymouslyInput!) {
  signInAnonymously(input: $input) {
    ... on SignInAnonymouslySuccess {
      session {
        accessToken
        accessTokenExpiresAt
        refreshToken
        user {
          id
          displayName
        }
      }
    }
    ... on InvalidInputError {
      field
      message
    }
  }
}
`,
    variables: `{
  "input": {
    "displayName": "Ada"
  }
}`,
  },
];

/** They need the token in the Headers tab. */
const SIGNED_IN: readonly Example[] = [
  {
    title: 'Me',
    about: 'The account that the token belongs to.',
    query: `# Press "Sign in" first: without a token \`me\` is
# null.
query Me {
  me {
    id
    user {
      displayName
    }
    createdAt
    suspension {
      reason
    }
  }
}
`,
  },
  {
    title: 'JoinQueue',
    about: 'Waits for somebody to talk to.',
    query: `# Press "Sign in" first. Only people with an open
# socket are matched: run this, and then, within 30
# seconds, Events in the next tab. Do both in a
# second window too, which is somebody else, and the
# two meet.
mutation JoinQueue($input: JoinQueueInput!) {
  joinQueue(input: $input) {
    ... on JoinQueueSuccess {
      ticket {
        status
        mode
        interests
        enqueuedAt
        widensAt
      }
    }
    ... on UserError {
      message
    }
  }
}
`,
    variables: `{
  "input": {
    "mode": "TEXT",
    "interests": ["graphql"]
  }
}`,
  },
  {
    title: 'Events',
    about: 'Everything that happens to you, in order.',
    query: `# Press "Sign in" first: the Headers tab becomes the
# payload of connection_init. The first event tells
# where you stand. It is all that a front end needs:
# give the last \`cursor\` as \`after\` when you
# come back, and you have missed nothing.
subscription Events($after: Cursor) {
  events(after: $after) {
    __typename
    cursor
    at
    ... on MatchSnapshot {
      waitingTicket {
        status
        enqueuedAt
      }
      currentRoom {
        id
      }
    }
    ... on Matched {
      partner {
        id
        displayName
        polite
      }
      room {
        id
        mode
        sharedInterests
      }
    }
    ... on MatchEnded {
      matchEndReason
    }
  }
}
`,
  },
  {
    title: 'CreateRoom',
    about: 'A room for people whom you invite.',
    query: `# Press "Sign in" first. Others enter with the
# invite code. Whoever has no socket open loses the
# seat after 60 seconds: run Events meanwhile.
mutation CreateRoom($input: CreateRoomInput!) {
  createRoom(input: $input) {
    ... on CreateRoomSuccess {
      room {
        id
        name
        capacity
        inviteCode
        members {
          displayName
          role
        }
      }
    }
    ... on UserError {
      message
    }
  }
}
`,
    variables: `{
  "input": {
    "name": "Tea at five",
    "capacity": 4
  }
}`,
  },
];

/** Found in the panel only. */
const MORE: readonly Example[] = [
  {
    title: 'Rooms',
    about: 'The rooms that you are in, with their invite codes.',
    query: `query Rooms {
  rooms {
    id
    kind
    name
    inviteCode
    members {
      displayName
      role
      status
    }
  }
}
`,
  },
  {
    title: 'LeaveQueue',
    about: 'Stops waiting.',
    query: `mutation LeaveQueue {
  leaveQueue {
    ... on LeaveQueueSuccess {
      ticket {
        status
      }
    }
  }
}
`,
  },
  {
    title: 'SignOut',
    about: 'Ends the session: its token is worth nothing from then on.',
    query: `mutation SignOut {
  signOut {
    __typename
  }
}
`,
  },
];

export const TABS: readonly Example[] = [...OPEN, ...SIGNED_IN];
export const EXAMPLES: readonly Example[] = [...TABS, ...MORE];
