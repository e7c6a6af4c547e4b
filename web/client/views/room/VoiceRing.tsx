/** A ring around an avatar that grows with the voice, where there is no picture to see that somebody speaks. */

import { type ReactElement, type ReactNode, useEffect, useRef } from 'react';

interface VoiceRingProps {
  /** Null: silence. */
  readonly stream: MediaStream | null;
  readonly children: ReactNode;
}

let context: AudioContext | null = null;

export function VoiceRing({ stream, children }: VoiceRingProps): ReactElement {
  const ring = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (!stream || stream.getAudioTracks().length === 0) return;
    context ??= new AudioContext(); // one for the page: browsers allow few
    void context.resume().catch(() => undefined);
    const source = context.createMediaStreamSource(stream);
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let shown = 0;
    let frame = requestAnimationFrame(function draw() {
      analyser.getFloatTimeDomainData(samples);
      const loudness = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
      shown = Math.max(Math.min(1, loudness * 6), shown * 0.9); // up at once, down slowly
      if (ring.current) {
        ring.current.style.opacity = String(Math.min(1, shown * 2));
        ring.current.style.transform = `scale(${1 + shown * 0.3})`;
      }
      frame = requestAnimationFrame(draw);
    });
    const element = ring.current;
    return () => {
      cancelAnimationFrame(frame);
      source.disconnect();
      if (element) element.style.opacity = '0';
    };
  }, [stream]);
  return (
    <span className="voice">
      <span ref={ring} className="voice-ring" aria-hidden="true" />
      {children}
    </span>
  );
}
