/**
 * Three media lines of every peer connection, in this order: microphone, camera, screen. All are there from the first offer on: so
 * switching replaces a track and never negotiates, and the second video is the screen on both sides, whoever offered.
 */

import type { Kind, Tracks } from './media.ts';

/** Of all cameras that one page sends together, and of each at least: bits per second. */
const MOST_BITS = 4_000_000;
const LEAST_BITS = 150_000;

const KINDS: readonly Kind[] = ['microphone', 'camera', 'screen'];

export class Lanes {
  readonly #transceivers: readonly RTCRtpTransceiver[];
  /** The same while the peer lives, also when the connection is made anew. */
  readonly #stream: MediaStream;
  readonly #screen: MediaStream;
  #heard = false;
  /** Whether they say that they share their screen. */
  screenShown = false;

  /** `before` are the lanes of the connection that this one replaces. */
  constructor(connection: RTCPeerConnection, before?: Lanes) {
    this.#stream = before ? before.#stream : new MediaStream();
    this.#screen = before ? before.#screen : new MediaStream();
    this.screenShown = before?.screenShown ?? false;
    this.#heard = before ? before.#heard : false;
    this.#transceivers = silence().map((track) => lane(connection, track, this.#stream));
    // Not before all are there: `addTrack` takes a line that sends nothing for the next track of its kind.
    for (const { sender } of this.#transceivers) void sender.replaceTrack(null);
    const [microphone, camera, screen] = this.#transceivers.map(({ receiver }) => receiver.track);
    replace(this.#stream, [microphone!, camera!]);
    replace(this.#screen, [screen!]);
    connection.addEventListener('track', () => {
      this.#heard = true;
    });
  }

  /** Camera and microphone; null until a track came. */
  get stream(): MediaStream | null {
    return this.#heard ? this.#stream : null;
  }

  get screen(): MediaStream | null {
    return this.#heard && this.screenShown ? this.#screen : null;
  }

  /** Shares what a person's line sends among `others` people: whole pictures for one, small ones for many. */
  async share(others: number): Promise<void> {
    const { sender } = this.#transceivers[1]!;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) {
      encoding.maxBitrate = Math.max(LEAST_BITS, Math.floor(MOST_BITS / others));
      encoding.scaleResolutionDownBy = others < 3 ? 1 : others < 8 ? 2 : 4;
    }
    await sender.setParameters(parameters).catch(() => {}); // A connection that is closed, or not negotiated yet.
  }

  async send(tracks: Tracks): Promise<void> {
    const replaced = KINDS.map((kind, index) => this.#transceivers[index]!.sender.replaceTrack(tracks[kind]));
    await Promise.allSettled(replaced); // A connection that is closed by now sends nothing.
  }
}

/**
 * Only a line of `addTrack` takes the place that the other side's offer has for it (JSEP, section 5.10), and `addTrack` wants
 * a track: a silent one that nobody sends. Otherwise whoever answers would have lines of their own behind those of the offer.
 */
function lane(connection: RTCPeerConnection, track: MediaStreamTrack, stream: MediaStream): RTCRtpTransceiver {
  const sender = connection.addTrack(track, stream);
  return connection.getTransceivers().find((transceiver) => transceiver.sender === sender)!;
}

let silent: readonly MediaStreamTrack[] | undefined;

/** One track for each line, of no source. Made once: a page may have 500 connections, with those that are closed but not collected. */
function silence(): readonly MediaStreamTrack[] {
  if (silent === undefined) {
    const source = new RTCPeerConnection();
    silent = KINDS.map((kind) => source.addTransceiver(kind === 'microphone' ? 'audio' : 'video').receiver.track);
    source.close();
  }
  return silent;
}

function replace(stream: MediaStream, tracks: readonly MediaStreamTrack[]): void {
  for (const track of stream.getTracks()) stream.removeTrack(track);
  for (const track of tracks) stream.addTrack(track);
}
