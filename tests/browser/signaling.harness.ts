/** Two ends of a call in one page, and a wire between them that keeps the order and little else. Bundled by test_signaling_core.py. */

import { createClient } from 'graphql-ws';

import { follow, Peer, type PeerOptions, Refused, type Signal, type SignalInput } from '../../web/core/signaling.ts';

type Ids = Parameters<PeerOptions['send']>[1];
type Fault = 'lost' | 'unanswered' | { retryAfter: number } | 'refused';

/** As a server makes it of what was sent. */
export function told(signal: SignalInput): Signal {
  if ('offer' in signal) return { __typename: 'Offer', ...signal.offer };
  if ('answer' in signal) return { __typename: 'Answer', ...signal.answer };
  if ('candidates' in signal) return { __typename: 'IceCandidates', ...signal.candidates };
  return { __typename: 'HangUp', ...signal.hangUp };
}

/** One end: what was sent, told and seen there. */
export class Side {
  peer!: Peer;
  other!: Side;
  readonly opened: RTCPeerConnection[] = [];
  /** Every attempt. */
  readonly tried: Ids[] = [];
  /** What the server took, and what it tells the other side. */
  readonly sent: { signal: SignalInput; ids: Ids }[] = [];
  readonly faults: string[] = [];
  readonly hungUp: string[] = [];
  readonly tracks: MediaStreamTrack[] = [];
  configured = 0;
  configuration: RTCConfiguration = {};
  /** The next sends go so. */
  readonly misfortunes: Fault[] = [];
  delay = () => 0;
  twice = false;
  /** Where the other side is told to send to, instead of the port of a candidate: the media go that way alone. */
  detour: ((port: number) => Promise<number>) | undefined;
  /** Nothing that is sent reaches the other side before it is opened. */
  gate: Promise<void> = Promise.resolve();
  #wire: Promise<void> = Promise.resolve();

  constructor(readonly polite: boolean) {}

  start(...tracks: MediaStreamTrack[]): this {
    this.tracks.push(...tracks);
    this.peer = new Peer({
      polite: this.polite,
      configuration: async () => {
        this.configured++;
        return this.configuration;
      },
      send: (signal, ids) => this.#send(signal, ids),
      opened: (connection) => {
        this.opened.push(connection);
        for (const track of this.tracks) connection.addTrack(track, new MediaStream());
      },
      hungUp: (reason) => this.hungUp.push(reason),
      fault: (error) => this.faults.push(String(error)),
    });
    return this;
  }

  add(track: MediaStreamTrack): void {
    this.tracks.push(track);
    this.peer.connection.addTrack(track, new MediaStream());
  }

  get ufrag(): string {
    return /a=ice-ufrag:(\S+)/.exec(this.peer.connection.localDescription?.sdp ?? '')?.[1] ?? '';
  }

  /** Live tracks that the other side sends. */
  get received(): number {
    return this.peer.connection
      .getTransceivers()
      .filter(({ currentDirection }) => currentDirection === 'sendrecv' || currentDirection === 'recvonly').length;
  }

  /** What is sent, by kind. */
  get kinds(): string[] {
    return this.sent.map(({ signal }) => Object.keys(signal)[0]!);
  }

  async frames(): Promise<number> {
    for (const stats of (await this.peer.connection.getStats()).values())
      if (stats.type === 'inbound-rtp' && stats.kind === 'video') return stats.framesDecoded ?? 0;
    return 0;
  }

  async #send(signal: SignalInput, ids: Ids): Promise<void> {
    this.tried.push(ids);
    const misfortune = this.misfortunes.shift();
    await pause(this.delay());
    if (misfortune === 'lost') throw new TypeError('the network failed');
    if (misfortune === 'refused') throw new Refused('no');
    if (typeof misfortune === 'object') throw Object.assign(new Error('too fast'), misfortune);
    // As the contract has it: the same ID is delivered once.
    if (!this.sent.some((known) => known.ids.clientSignalId === ids.clientSignalId)) {
      const copy = structuredClone(signal);
      this.sent.push({ signal: copy, ids });
      for (let times = this.twice ? 2 : 1; times > 0; times--) this.#deliver(copy, ids.callId);
    }
    if (misfortune === 'unanswered') throw new TypeError('the network failed');
  }

  #deliver(signal: SignalInput, callId: string): void {
    this.#wire = this.#wire
      .then(() => this.gate)
      .then(() => pause(this.delay()))
      .then(() => this.#redirected(told(signal)))
      .then((signal) => this.other.peer?.receive({ callId, signal }));
  }

  async #redirected(signal: Signal): Promise<Signal> {
    if (!this.detour || signal.__typename !== 'IceCandidates') return signal;
    const candidates = [];
    for (const given of signal.candidates) {
      const parts = given.candidate!.split(' ');
      if (parts[2] !== 'udp' || !parts[4]!.includes('.')) continue;
      parts[5] = String(await this.detour(Number(parts[5])));
      candidates.push({ ...given, candidate: parts.join(' ') });
    }
    return { ...signal, candidates };
  }
}

/** Two sides that are not started. */
export function pair(): { polite: Side; impolite: Side } {
  const polite = new Side(true);
  const impolite = new Side(false);
  polite.other = impolite;
  impolite.other = polite;
  return { polite, impolite };
}

/** Whether both agree and are connected, each receiving what the other sends. */
export function settled(...sides: Side[]): boolean {
  return sides.every(
    ({ peer, other, received }) =>
      peer.connection.signalingState === 'stable' &&
      peer.connection.connectionState === 'connected' &&
      peer.callId === other.peer.callId &&
      received === other.tracks.length,
  );
}

/** Waits until the video of the other side moves before the eyes of this one. */
export async function moving(...sides: Side[]): Promise<void> {
  for (const side of sides) {
    const receiver = side.peer.connection.getReceivers().find(({ track }) => track.kind === 'video')!;
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = new MediaStream([receiver.track]);
    void video.play().catch(() => undefined);
    const before = await side.frames();
    await until(async () => video.videoWidth > 0 && (await side.frames()) > before + 2, () => 'a moving video');
    video.srcObject = null;
  }
}

export async function until(condition: () => unknown, what: () => unknown, milliseconds = 20_000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${JSON.stringify(what())}`);
    await pause(5);
  }
}

/** For the words of a failure. */
export function state(...sides: Side[]): unknown {
  return sides.map(({ peer, sent, opened, faults, received, tracks, polite }) => ({
    polite,
    callId: peer.callId,
    signaling: peer.connection.signalingState,
    connection: peer.connection.connectionState,
    opened: opened.length,
    received,
    tracks: tracks.length,
    sent: sent.map(({ signal, ids }) => `${Object.keys(signal)[0]} ${ids.callId.slice(0, 4)}`),
    faults,
  }));
}

export function pause(milliseconds: number): Promise<void> {
  return milliseconds ? new Promise((resolve) => setTimeout(resolve, milliseconds)) : Promise.resolve();
}

/** mulberry32: the same numbers for the same seed. */
export function random(seed: number): () => number {
  let at = seed;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), 1 | at);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A moving picture of the camera that Chromium plays; a clone for each who sends it. */
export async function camera(): Promise<MediaStreamTrack> {
  film ??= navigator.mediaDevices.getUserMedia({ video: { width: 160, height: 120, frameRate: 30 } });
  return (await film).getVideoTracks()[0]!.clone();
}
let film: Promise<MediaStream> | undefined;

/** A silent track, which costs little. */
export function silence(): MediaStreamTrack {
  quiet ??= new AudioContext();
  return quiet.createMediaStreamDestination().stream.getAudioTracks()[0]!;
}
let quiet: AudioContext | undefined;

export { createClient, follow, Peer, Refused };
