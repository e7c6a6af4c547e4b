/** One state for each picture, with what tends to break a layout: long names, both directions of text, many members, a long chat. */

import type { Chat, Line, LocalMedia, Member, Peer, Place, Room, State, Suspension } from '../../../client/state.ts';

const now = Date.now();
const ago = (seconds: number): Date => new Date(now - seconds * 1000);

const SILENT: LocalMedia = { stream: null, screen: null, camera: false, microphone: false, problem: null };

const BASE: State = {
  place: { at: 'door', problem: null },
  connection: 'live',
  account: { id: 'u1', displayName: 'Ada Miller' },
  stats: { online: 1204, waiting: 37, inCall: 862, medianWaitSeconds: 6 },
  preferences: { mode: 'VIDEO', interests: ['music', 'long walks', 'chess'], languages: ['en', 'pt-BR'], patience: 30 },
  local: SILENT,
  met: [],
  suspensions: [],
  warnings: [],
  notices: [],
};

/** Chromium's fake camera, where there is one; else a drawn picture. */
async function camera(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  } catch {
    const canvas = document.createElement('canvas');
    canvas.getContext('2d')?.fillRect(0, 0, 300, 150);
    return canvas.captureStream(5);
  }
}

const local = async (): Promise<LocalMedia> => ({ ...SILENT, stream: await camera(), camera: true, microphone: true });

function member(id: string, displayName: string, change: Partial<Member> = {}): Member {
  const media = { camera: true, microphone: true, screen: false };
  return { id, displayName, role: 'MEMBER', muted: false, status: 'ONLINE', media, typing: false, ...change };
}

const said = (
  id: string,
  senderId: string,
  text: string,
  at: number,
  delivery: 'sending' | 'sent' | 'failed' = 'sent',
): Line => ({
  kind: 'message',
  id,
  senderId,
  mine: senderId === 'me',
  text,
  sentAt: ago(at),
  delivery,
  provable: senderId !== 'me',
});

const TALK: readonly Line[] = [
  { kind: 'note', id: 'n1', text: 'Messages are encrypted from here on.', at: ago(400) },
  said('1', 'm1', 'Hi! Where does the day find you?', 380),
  said('2', 'me', 'Hello. Lisbon, on a balcony with bad coffee.', 350),
  said('3', 'm1', 'That is the best place for bad coffee.', 330),
  said('4', 'm1', 'I play the cello, badly as well. You wrote “music”?', 325),
  said('5', 'me', 'Piano, since I was six.\nMostly Satie, because he is slow.', 120),
  said('6', 'm1', 'שלום! אפשר גם בעברית?', 100),
  said(
    '7',
    'me',
    'Here is the piece: https://example.org/a/very/long/address/that/does/not/break/anywhere/at/all/1234567890',
    40,
  ),
  said('8', 'me', 'Are you still there?', 20, 'failed'),
  said('9', 'me', 'Listening to it now', 2, 'sending'),
];

const NUMBER = '48213 90877 11402 65539 20817 99413 07726 55108 33492 81170 64025 19986';

function chat(change: Partial<Chat> = {}): Chat {
  return {
    lines: TALK,
    encryption: 'ready',
    changedIdentities: [],
    safetyNumbers: { m1: NUMBER },
    unread: 0,
    ...change,
  };
}

function match(change: Partial<Room> = {}): Room {
  return {
    id: 'r1',
    kind: 'MATCH',
    mode: 'VIDEO',
    name: null,
    inviteCode: null,
    capacity: 2,
    me: member('me', 'Ada Miller'),
    members: [member('m1', 'Mira', { typing: true })],
    sharedInterests: ['music', 'chess'],
    enteredAt: ago(384),
    peers: {},
    chat: chat(),
    ...change,
  };
}

const inside = (room: Room): Place => ({ at: 'room', room });
const peer = (stream: MediaStream | null, change: Partial<Peer> = {}): Peer => ({
  connection: 'connected',
  stream,
  screen: null,
  ...change,
});

const NAMES =
  'Mira,Jonas,Wilhelmina Konstantinopolitanskaja-Øst,نور الهدى,Bo,李小龙,Priya,Åsa,Tomás,Zoë,Kwame,Ines,Yuki,Olga,Sam'.split(
    ',',
  );

async function party(others: number, change: Partial<Room> = {}): Promise<State> {
  const mine = await local();
  const off = { camera: false, microphone: false, screen: false };
  const members = NAMES.slice(0, others).map((name, index) =>
    member(`m${index + 1}`, name, {
      role: index === 1 ? 'MODERATOR' : 'MEMBER',
      muted: index === 2,
      status: index === 4 ? 'AWAY' : 'ONLINE',
      media: index % 3 === 2 ? off : { camera: true, microphone: index % 4 !== 1, screen: false },
    }),
  );
  const peers = Object.fromEntries(
    members.map((one, index) => [
      one.id,
      peer(mine.stream, index === 5 ? { connection: 'connecting', stream: null } : {}),
    ]),
  );
  const room = match({
    kind: 'INVITE',
    name: 'Friday evening',
    inviteCode: 'K7QD-M2XF-9TRB-4HWN',
    capacity: 16,
    me: member('me', 'Ada Miller', { role: 'OWNER' }),
    members,
    sharedInterests: [],
    peers,
    ...change,
  });
  return { ...BASE, local: mine, place: inside({ ...room, chat: chat({ unread: 3, ...change.chat }) }) };
}

const SUSPENSION: Suspension = {
  id: 's1',
  scope: 'ALL',
  reason: 'You threatened another person after they asked you to stop.\nThree messages were proved to be yours.',
  category: 'VIOLENCE_OR_THREAT',
  automated: false,
  startsAt: ago(3600),
  endsAt: new Date(now + 7 * 86_400_000),
  liftedAt: null,
  appeal: null,
};

const MET: State['met'] = [
  {
    memberId: 'm1',
    displayName: 'Mira',
    roomId: 'r1',
    provable: [
      { id: '1', text: 'Hi! Where does the day find you?', sentAt: ago(380) },
      { id: '3', text: 'Give me your address or I will find it. '.repeat(6), sentAt: ago(330) },
    ],
    reported: false,
    blocked: false,
  },
  { memberId: 'm2', displayName: 'W'.repeat(40), roomId: 'r2', provable: [], reported: true, blocked: true },
  { memberId: 'm3', displayName: 'نور الهدى', roomId: 'r3', provable: [], reported: false, blocked: false },
];

const LONG: readonly Line[] = Array.from({ length: 300 }, (_, index) =>
  said(
    `l${index}`,
    index % 5 < 2 ? 'me' : `m${1 + (index % 3)}`,
    `Line ${index}: ${'so it goes '.repeat(1 + (index % 9))}`,
    9000 - index * 29,
  ),
);

/** By name: what to show. */
export const VIEWS: Readonly<Record<string, () => Promise<State>>> = {
  door: async () => ({ ...BASE, account: null }),
  'door-problem': async () => ({
    ...BASE,
    account: null,
    stats: null,
    place: { at: 'door', problem: 'You were signed out because the account was deleted.' },
  }),
  lobby: async () => ({ ...BASE, local: await local(), place: { at: 'lobby', ended: null } }),
  'lobby-first': async () => ({
    ...BASE,
    preferences: { mode: 'VIDEO', interests: [], languages: [], patience: 10 },
    place: { at: 'lobby', ended: null },
  }),
  'lobby-after': async () => ({
    ...BASE,
    account: { id: 'u1', displayName: 'W'.repeat(40) },
    local: { ...SILENT, problem: 'The camera is used by another program. Close it there and try again.' },
    place: { at: 'lobby', ended: 'Mira ended the call after 12 minutes.' },
    met: MET,
    warnings: [{ id: 'w1', reason: 'Please keep your clothes on. The next time you are suspended.', at: ago(7200) }],
    suspensions: [{ ...SUSPENSION, scope: 'MATCHING', automated: true }],
    notices: [
      { id: 1, tone: 'good', text: 'Your name was changed.' },
      { id: 2, tone: 'bad', text: 'The invitation could not be replaced. Try again in a moment.' },
    ],
  }),
  'lobby-text': async () => ({
    ...BASE,
    preferences: { ...BASE.preferences, mode: 'TEXT' },
    place: { at: 'lobby', ended: null },
    met: MET,
  }),
  waiting: async () => ({
    ...BASE,
    local: await local(),
    place: { at: 'waiting', since: ago(12), widensAt: new Date(now + 18_000), preferences: BASE.preferences },
  }),
  'waiting-text': async () => ({
    ...BASE,
    place: {
      at: 'waiting',
      since: ago(75),
      widensAt: ago(45),
      preferences: { mode: 'TEXT', interests: [], languages: [], patience: 0 },
    },
  }),
  call: async () => {
    const mine = await local();
    return { ...BASE, local: mine, place: inside(match({ peers: { m1: peer(mine.stream) } })) };
  },
  'call-connecting': async () => ({
    ...BASE,
    local: await local(),
    place: inside(
      match({ members: [member('m1', 'W'.repeat(40))], chat: chat({ lines: [], encryption: 'starting' }) }),
    ),
  }),
  'call-lost': async () => {
    const mine = await local();
    const peers = { m1: peer(mine.stream, { connection: 'interrupted' }) };
    return { ...BASE, connection: 'lost', local: mine, place: inside(match({ peers })) };
  },
  'call-away': async () => ({
    ...BASE,
    local: await local(),
    place: inside(
      match({
        members: [member('m1', 'Mira', { status: 'AWAY' })],
        chat: chat({ changedIdentities: ['m1'], unread: 2 }),
      }),
    ),
  }),
  'call-screen': async () => {
    const mine = await local();
    return {
      ...BASE,
      local: mine,
      place: inside(match({ peers: { m1: peer(mine.stream, { screen: mine.stream }) } })),
    };
  },
  voice: async () => {
    const mine = { ...(await local()), camera: false };
    const quiet = { camera: false, microphone: true, screen: false };
    const members = [member('m1', 'Mira Castellano', { media: quiet })];
    return { ...BASE, local: mine, place: inside(match({ mode: 'AUDIO', members, peers: { m1: peer(mine.stream) } })) };
  },
  text: async () => ({ ...BASE, place: inside(match({ mode: 'TEXT' })) }),
  'text-new': async () => ({
    ...BASE,
    place: inside(match({ mode: 'TEXT', chat: chat({ lines: [], encryption: 'starting' }) })),
  }),
  'room-1': () => party(0),
  'room-2': () => party(1),
  'room-4': () => party(3),
  'room-9': () => party(8),
  'room-16': () => party(15),
  'room-chat': () => party(5, { chat: chat({ lines: LONG }) }),
  'room-muted': () => party(3, { me: member('me', 'Ada Miller', { muted: true }), inviteCode: null }),
  'room-screen': async () => {
    const state = await party(6);
    if (state.place.at !== 'room') return state;
    const { room } = state.place;
    return {
      ...state,
      place: inside({
        ...room,
        peers: { ...room.peers, m1: peer(state.local.stream, { screen: state.local.stream }) },
      }),
    };
  },
  suspended: async () => ({
    ...BASE,
    place: { at: 'suspended' },
    suspensions: [
      SUSPENSION,
      {
        ...SUSPENSION,
        id: 's2',
        scope: 'MATCHING',
        category: 'SPAM_OR_SCAM',
        reason: 'You sent the same advertisement to eleven people.',
        automated: true,
        endsAt: null,
        appeal: {
          status: 'UPHELD',
          statement: 'It was a poem.',
          reason: 'It was the same text eleven times, with a link to a shop.',
        },
      },
    ],
  }),
};
