/** Reports, blocks, warnings, suspensions and appeals, and what somebody may ask about their own account. */

import type { Api } from '../../shared/api.ts';
import { inWords } from '../../shared/failures.ts';
import {
  AppealSuspensionDocument,
  BlocksDocument,
  type BlocksQuery,
  BlockUserDocument,
  DeleteMyAccountDocument,
  ExportMyDataDocument,
  MeDocument,
  ReportUserDocument,
  UnblockUserDocument,
} from '../generated.ts';
import type { Block, Category, Outcome } from '../state.ts';
import type { Met } from './met.ts';
import { suspensionOf } from './parts.ts';
import { refused } from './sentences.ts';
import type { Store } from './store.ts';

/** A report discloses so many messages at most. */
const EVIDENCE = 20;
/** How often the page of a suspended user asks what became of an appeal: one that was upheld is not told. */
const LOOK_MS = 60_000;
/** The longest that a timer waits. */
const TIMER_MS = 2 ** 31 - 1;

export class Safety {
  readonly #store: Store;
  readonly #ask: Api['ask'];
  readonly #met: Met;
  /** The session may do more by now. */
  readonly #over: () => void;
  #looking: ReturnType<typeof setInterval> | undefined;
  #ending: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, ask: Api['ask'], met: Met, over: () => void) {
    this.#store = store;
    this.#ask = ask;
    this.#met = met;
    this.#over = over;
  }

  /** Asks what restricts and warns the viewer now, and keeps asking while a suspended user waits. */
  async look(suspended: boolean): Promise<void> {
    clearInterval(this.#looking);
    clearTimeout(this.#ending);
    if (suspended) this.#looking = setInterval(() => void this.#load(suspended), LOOK_MS);
    await this.#load(suspended);
  }

  /** Nobody is signed in: nothing to ask. */
  stop(): void {
    clearInterval(this.#looking);
    clearTimeout(this.#ending);
    this.#store.set({ suspensions: [], warnings: [] });
  }

  async report(memberId: string, category: Category, comment: string, messageIds: readonly string[]): Outcome {
    const evidence = this.#met.evidence(memberId, messageIds).slice(-EVIDENCE);
    this.#met.part(memberId);
    const input = { memberId, category, comment: comment.trim() || null, evidence };
    const { reportUser: answer } = await this.#ask(ReportUserDocument, { input }, { patient: true });
    if (answer.__typename === 'NotFoundError')
      return 'You met them more than 24 hours ago, and cannot report them any more.';
    if (answer.__typename !== 'ReportUserSuccess') return refused(answer);
    this.#met.mark(memberId, 'reported');
    return null;
  }

  async block(memberId: string): Outcome {
    this.#met.part(memberId);
    const { blockUser: answer } = await this.#ask(BlockUserDocument, { input: { memberId } }, { patient: true });
    if (answer.__typename === 'NotFoundError')
      return 'You met them more than 24 hours ago, and cannot block them any more.';
    this.#met.mark(memberId, 'blocked');
    return null;
  }

  async blocks(): Promise<readonly Block[]> {
    const all: Block[] = [];
    try {
      for (let after: string | null = null, more = true; more; ) {
        const { me }: BlocksQuery = await this.#ask(BlocksDocument, { after });
        if (me === null) break;
        for (const { node } of me.blocks.edges) {
          all.push({ id: node.id, displayName: node.displayName, createdAt: new Date(node.createdAt) });
        }
        after = me.blocks.pageInfo.endCursor;
        more = me.blocks.pageInfo.hasNextPage;
      }
    } catch (error) {
      this.#store.notice('bad', inWords(error));
    }
    return all;
  }

  async unblock(blockId: string): Outcome {
    await this.#ask(UnblockUserDocument, { input: { blockId } }, { patient: true }); // Not found: lifted already.
    return null;
  }

  async appeal(suspensionId: string, statement: string): Outcome {
    const { appealSuspension: answer } = await this.#ask(AppealSuspensionDocument, {
      input: { suspensionId, statement },
    });
    const suspended = this.#store.state().place.at === 'suspended';
    if (answer.__typename === 'AppealSuspensionSuccess' || answer.__typename === 'ConflictError')
      await this.#load(suspended);
    if (answer.__typename === 'ConflictError')
      return 'There was an appeal already, or the decision has changed. Here is how it stands.';
    return answer.__typename === 'AppealSuspensionSuccess' ? null : refused(answer);
  }

  async exportMyData(): Promise<string> {
    return (await this.#ask(ExportMyDataDocument, {})).exportMyData;
  }

  async deleteMyAccount(): Promise<void> {
    await this.#ask(DeleteMyAccountDocument, {});
  }

  async #load(suspended: boolean): Promise<void> {
    try {
      const { me } = await this.#ask(MeDocument, {}, { patient: true });
      if (me === null) return;
      const current = me.suspension?.id;
      const all = me.suspensions.map(suspensionOf);
      const first = all.filter(({ id }) => id === current);
      this.#store.set({
        suspensions: [...first, ...all.filter(({ id }) => id !== current)],
        warnings: me.warnings.map(({ id, reason, at }) => ({ id, reason, at: new Date(at) })),
      });
      if (suspended) this.#await(first[0]?.endsAt ?? null);
    } catch (error) {
      this.#store.notice('bad', inWords(error));
    }
  }

  /** Nobody is told of an end that was set from the beginning. */
  #await(endsAt: Date | null): void {
    clearTimeout(this.#ending);
    if (endsAt === null) return;
    const left = endsAt.getTime() - Date.now() + 1000;
    if (left < TIMER_MS) this.#ending = setTimeout(this.#over, Math.max(1000, left));
  }
}
