/** Moving pictures and sound from a stream, and what to do where the browser will not play sound without a touch. */

import './media.css';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import { Sound } from '../../shared/ui/icons.tsx';

interface MediaProps {
  readonly stream: MediaStream;
  /** The viewer's own: without sound, and as in a mirror. */
  readonly own?: boolean;
  /** A screen is shown whole, a face fills its frame. */
  readonly whole?: boolean;
  /** Sound alone: the element stays, and is not seen. */
  readonly hidden?: boolean;
  readonly label: string;
}

export function Media({ stream, own = false, whole = false, hidden = false, label }: MediaProps): ReactElement {
  const ref = useRef<HTMLVideoElement>(null);
  const [refused, setRefused] = useState(false);
  const play = async (): Promise<void> => {
    try {
      await ref.current?.play();
      setRefused(false);
    } catch (error) {
      // AbortError: another stream took its place meanwhile, and is played by itself.
      if (error instanceof DOMException && error.name === 'NotAllowedError') setRefused(true);
    }
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: `play` reads the element alone
  useEffect(() => {
    const video = ref.current!;
    video.srcObject = stream;
    void play();
    return () => {
      video.srcObject = null;
    };
  }, [stream]);
  const kind = `${own && !whole ? 'media-own' : ''} ${whole ? 'media-whole' : ''} ${hidden ? 'media-hidden' : ''}`;
  return (
    <>
      {/* People talk live and nobody wrote captions: the chat stands beside it. */}
      <video ref={ref} className={`media ${kind}`} aria-label={label} autoPlay playsInline muted={own || whole} />
      {refused && (
        <Button className="media-hear" tone="primary" icon={Sound} onClick={() => void play()}>
          Tap to hear
        </Button>
      )}
    </>
  );
}
