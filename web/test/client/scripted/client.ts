/** A client that knows one state and does what it is told in it, without a server: enough to see every view move. */

import type { Client, Line, LocalMedia, Outcome, State } from '../../../client/state.ts';

const done: () => Outcome = () => new Promise((resolve) => setTimeout(() => resolve(null), 300));

export function scripted(first: State): Client {
  let state = first;
  const listeners = new Set<() => void>();
  const put = (change: Partial<State>): void => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };
  const local = (change: Partial<LocalMedia>): Promise<void> => {
    put({ local: { ...state.local, ...change } });
    return Promise.resolve();
  };
  const lines = (change: (before: readonly Line[]) => readonly Line[], unread?: number): void => {
    if (state.place.at !== 'room') return;
    const { room } = state.place;
    const chat = { ...room.chat, lines: change(room.chat.lines), unread: unread ?? room.chat.unread };
    put({ place: { at: 'room', room: { ...room, chat } } });
  };
  const lobby = (): Outcome => {
    put({ place: { at: 'lobby', ended: 'You hung up.' } });
    return done();
  };
  return {
    state: () => state,
    subscribe: (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    signIn: async () => 'That name is taken by the script.',
    signOut: done,
    rename: done,
    joinQueue: async (preferences) => {
      const now = Date.now();
      const widensAt = new Date(now + preferences.patience * 1000);
      put({ preferences, place: { at: 'waiting', since: new Date(now), widensAt, preferences } });
      return null;
    },
    leaveQueue: lobby,
    skip: lobby,
    hangUp: lobby,
    createRoom: done,
    previewRoom: async (code) =>
      code.startsWith('X') ? null : { name: 'Friday evening', memberCount: 3, capacity: 8 },
    joinRoom: done,
    rotateInvite: done,
    closeRoom: done,
    moderate: done,
    setCamera: (camera) => local({ camera }),
    setMicrophone: (microphone) => local({ microphone }),
    shareScreen: () => Promise.resolve(),
    devices: () => navigator.mediaDevices?.enumerateDevices() ?? Promise.resolve([]),
    chooseDevice: () => Promise.resolve(),
    reconnectPeer: () => undefined,
    say: (text) =>
      lines((before) => [
        ...before,
        {
          kind: 'message',
          id: String(before.length),
          senderId: 'me',
          mine: true,
          text,
          sentAt: new Date(),
          delivery: 'sending',
          provable: false,
        },
      ]),
    sayAgain: () => undefined,
    typing: () => undefined,
    chatSeen: () => lines((before) => before, 0),
    trust: () => Promise.resolve(),
    report: done,
    block: done,
    blocks: async () => [
      { id: 'b1', displayName: 'Rude Rudolf', createdAt: new Date(2026, 2, 4, 20, 11) },
      { id: 'b2', displayName: 'W'.repeat(40), createdAt: new Date(2026, 2, 5, 9, 2) },
    ],
    unblock: done,
    appeal: done,
    exportMyData: async () => '{}',
    deleteMyAccount: done,
    dismissNotice: (id) => put({ notices: state.notices.filter((notice) => notice.id !== id) }),
  };
}
