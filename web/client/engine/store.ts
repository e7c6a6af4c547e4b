/** The client's state as one immutable value, and who is told when it is another. */

import type { Chat, Member, Notice, Place, Preferences, Room, State } from '../state.ts';

const NOTICE_MS = 8000;

export class Store {
  #state: State;
  readonly #listeners = new Set<() => void>();
  #notices = 0;

  constructor(preferences: Preferences, place: Place) {
    this.#state = {
      place,
      connection: 'none',
      account: null,
      stats: null,
      preferences,
      local: { stream: null, screen: null, camera: false, microphone: false, problem: null },
      met: [],
      suspensions: [],
      warnings: [],
      notices: [],
    };
  }

  /** The same value until something changed. */
  readonly state = (): State => this.#state;

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  };

  set(news: Partial<State>): void {
    this.#state = { ...this.#state, ...news };
    for (const listener of [...this.#listeners]) listener();
  }

  /** The room that is shown; null elsewhere. */
  get room(): Room | null {
    const { place } = this.#state;
    return place.at === 'room' ? place.room : null;
  }

  /** Changes the room that is shown, if it is that one. */
  setRoom(roomId: string, change: (room: Room) => Partial<Room>): void {
    const { room } = this;
    if (room?.id === roomId) this.set({ place: { at: 'room', room: { ...room, ...change(room) } } });
  }

  setChat(roomId: string, change: (chat: Chat) => Partial<Chat>): void {
    this.setRoom(roomId, ({ chat }) => ({ chat: { ...chat, ...change(chat) } }));
  }

  /** Changes a member of the room that is shown, perhaps the viewer's own seat. */
  setMember(roomId: string, memberId: string, change: Partial<Member>): void {
    this.setRoom(roomId, ({ me, members }) => ({
      me: me.id === memberId ? { ...me, ...change } : me,
      members: members.some((member) => member.id === memberId)
        ? members.map((member) => (member.id === memberId ? { ...member, ...change } : member))
        : members,
    }));
  }

  notice(tone: Notice['tone'], text: string): void {
    const shown = this.#state.notices.filter((notice) => notice.text !== text);
    const id = ++this.#notices;
    this.set({ notices: [...shown, { id, tone, text }] });
    setTimeout(() => this.dismiss(id), NOTICE_MS);
  }

  dismiss(id: number): void {
    const notices = this.#state.notices.filter((notice) => notice.id !== id);
    if (notices.length < this.#state.notices.length) this.set({ notices });
  }
}
