/** The viewer's own small picture. It lies in a corner; it is dragged, or sent by its button, to another. */

import { type PointerEvent, type ReactElement, useRef, useState } from 'react';
import type { Member } from '../../state.ts';
import { Face, useMyself } from './Tile.tsx';

const CORNERS = ['bottom-right', 'bottom-left', 'top-left', 'top-right'] as const;

interface SelfViewProps {
  readonly me: Member;
  readonly audioOnly: boolean;
}

export function SelfView({ me, audioOnly }: SelfViewProps): ReactElement {
  const { member, stream } = useMyself(me);
  const [corner, setCorner] = useState<(typeof CORNERS)[number]>('bottom-right');
  const from = useRef<{ x: number; y: number } | null>(null);
  const moved = useRef(false);
  const grabbed = (event: PointerEvent<HTMLButtonElement>): void => {
    event.currentTarget.setPointerCapture(event.pointerId);
    from.current = { x: event.clientX, y: event.clientY };
    moved.current = false;
  };
  const dragged = (event: PointerEvent<HTMLButtonElement>): void => {
    if (!from.current) return;
    const [x, y] = [event.clientX - from.current.x, event.clientY - from.current.y];
    moved.current ||= Math.hypot(x, y) > 6;
    if (moved.current) event.currentTarget.style.translate = `${x}px ${y}px`;
  };
  const dropped = (event: PointerEvent<HTMLButtonElement>): void => {
    from.current = null;
    if (!moved.current) return;
    const self = event.currentTarget.getBoundingClientRect();
    const stage = event.currentTarget.parentElement!.getBoundingClientRect();
    const vertical = self.top + self.height / 2 < stage.top + stage.height / 2 ? 'top' : 'bottom';
    const horizontal = self.left + self.width / 2 < stage.left + stage.width / 2 ? 'left' : 'right';
    event.currentTarget.style.translate = '';
    setCorner(`${vertical}-${horizontal}`);
  };
  const clicked = (): void => {
    if (!moved.current) setCorner(CORNERS[(CORNERS.indexOf(corner) + 1) % CORNERS.length]!);
    moved.current = false;
  };
  return (
    <button
      type="button"
      className={`self self-${corner} ${audioOnly ? 'self-audio' : ''}`}
      aria-label="Your picture. Move it to another corner"
      title="Drag to another corner"
      onPointerDown={grabbed}
      onPointerMove={dragged}
      onPointerUp={dropped}
      onPointerCancel={dropped}
      onClick={clicked}
    >
      <Face member={member} stream={stream} own />
    </button>
  );
}
