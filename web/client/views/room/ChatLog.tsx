/** What was said, the newest at the bottom, and followed there unless the reader went up. */

import { memo, type ReactElement, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import { Button } from '../../../shared/ui/Button.tsx';
import { Check, Clock, Down } from '../../../shared/ui/icons.tsx';
import type { Line, Room } from '../../state.ts';
import { useClient } from '../client.ts';
import { timeOfDay } from '../words.ts';

/** Lines of one sender within so many milliseconds stand together. */
const TOGETHER = 5 * 60_000;

/** What is longer is shown whole to those who ask for it. */
const LONG = { characters: 4000, lines: 60 };

interface ChatLogProps {
  readonly room: Room;
  readonly intro: ReactNode;
}

export function ChatLog({ room, intro }: ChatLogProps): ReactElement {
  const { lines } = room.chat;
  const box = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(true);
  const names = useNames(room);
  const count = lines.length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever a line came
  useLayoutEffect(() => {
    if (follows) box.current!.scrollTop = box.current!.scrollHeight;
  }, [count, follows]);
  // A phone's keyboard takes half of the height: the newest stays in sight.
  useEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => {
      if (follows) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [follows]);
  const lastMine = lines.findLast((line) => line.kind === 'message' && line.mine)?.id;
  return (
    <div className="log-frame">
      <div
        ref={box}
        className="log"
        role="log"
        aria-label="Conversation"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reached by keys
        tabIndex={0}
        onScroll={({ currentTarget: at }) => setFollows(at.scrollHeight - at.scrollTop - at.clientHeight < 40)}
      >
        {intro}
        {count === 0 && !intro && (
          <p className="log-empty">Nothing was said yet. Only those in the room can read it.</p>
        )}
        {lines.map((line, index) =>
          line.kind === 'note' ? (
            <p key={line.id} className="note">
              {line.text}
            </p>
          ) : (
            <Message
              key={line.id}
              line={line}
              name={names(line.senderId)}
              first={!together(lines[index - 1], line)}
              named={room.kind === 'INVITE'}
              latest={line.id === lastMine}
            />
          ),
        )}
      </div>
      {!follows && (
        <Button size="small" className="log-down" icon={Down} onClick={() => setFollows(true)}>
          Newest
        </Button>
      )}
    </div>
  );
}

type MessageLine = Extract<Line, { kind: 'message' }>;

interface MessageProps {
  readonly line: MessageLine;
  readonly name: string;
  /** The first of several that stand together. */
  readonly first: boolean;
  /** With the sender's name and avatar: where there are more than two. */
  readonly named: boolean;
  /** The viewer's newest: it alone says that it was sent. */
  readonly latest: boolean;
}

/** Not made again for every line that comes. */
const Message = memo(function Message({ line, name, first, named, latest }: MessageProps): ReactElement {
  const client = useClient();
  const who = line.mine ? 'You' : name;
  return (
    <div className={`message ${line.mine ? 'message-mine' : ''} ${first ? 'message-first' : ''}`}>
      {named && !line.mine && first && <Avatar name={name} className="message-avatar" />}
      {first && (
        <p className="message-head">
          <span className={named && !line.mine ? '' : 'visually-hidden'}>
            <bdi>{who}</bdi>{' '}
          </span>
          <time dateTime={line.sentAt.toISOString()}>{timeOfDay(line.sentAt)}</time>
        </p>
      )}
      <p className={`bubble bubble-${line.delivery}`} dir="auto">
        <Words text={line.text} />
      </p>
      {line.delivery === 'sending' && (
        <p className="delivery">
          <Clock /> Sending…
        </p>
      )}
      {line.delivery === 'sent' && latest && (
        <p className="delivery">
          <Check /> Sent
        </p>
      )}
      {line.delivery === 'failed' && (
        <p className="delivery delivery-failed">
          Not sent.
          <button type="button" onClick={() => client.sayAgain(line.id)}>
            Try again
          </button>
        </p>
      )}
    </div>
  );
});

function Words({ text }: { readonly text: string }): ReactElement {
  const [whole, setWhole] = useState(false);
  const short = whole ? text : shortened(text);
  if (short.length === text.length) return <>{text}</>;
  return (
    <>
      {short}…{' '}
      <button type="button" className="text-button" onClick={() => setWhole(true)}>
        Show all of it
      </button>
    </>
  );
}

function shortened(text: string): string {
  const lines = text.split('\n', LONG.lines).join('\n');
  return lines.length <= LONG.characters ? lines : lines.slice(0, LONG.characters).replace(/[\uD800-\uDBFF]$/, '');
}

function together(before: Line | undefined, line: MessageLine): boolean {
  return (
    before?.kind === 'message' &&
    before.senderId === line.senderId &&
    line.sentAt.getTime() - before.sentAt.getTime() < TOGETHER
  );
}

/** Names by member, those who left included. */
function useNames(room: Room): (memberId: string) => string {
  const known = useRef(new Map<string, string>());
  for (const member of [room.me, ...room.members]) known.current.set(member.id, member.displayName);
  return (memberId) => known.current.get(memberId) ?? 'Somebody who left';
}
