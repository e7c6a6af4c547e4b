/** The viewer's own camera, microphone and screen: switched on and off, chosen, refused, unplugged. No peers here. */

import type { Mode } from '../state.ts';
import { keepDevices, loadDevices } from './preferences.ts';
import { deviceProblem } from './sentences.ts';
import type { Store } from './store.ts';

export type Kind = 'microphone' | 'camera' | 'screen';
type Device = Exclude<Kind, 'screen'>;

export type Tracks = Readonly<Record<Kind, MediaStreamTrack | null>>;

const DEVICES: readonly Device[] = ['microphone', 'camera'];

export class Media {
  readonly #store: Store;
  /** Told when another track is to be sent, or none. */
  readonly #changed: () => void;
  readonly #tracks: Record<Kind, MediaStreamTrack | null> = { microphone: null, camera: null, screen: null };
  /** What to switch on with the next room: what was on in the last. */
  readonly #wanted: Record<Device, boolean> = { microphone: true, camera: true };
  /** Counts what was asked of a device: who comes back from a prompt looks whether it is still wanted. */
  readonly #asked: Record<Kind, number> = { microphone: 0, camera: 0, screen: 0 };
  #chosen = loadDevices();
  #mode: Mode | null = null;

  constructor(store: Store, changed: () => void) {
    this.#store = store;
    this.#changed = changed;
    this.#show({});
  }

  /** What is sent now. */
  get tracks(): Tracks {
    return this.#tracks;
  }

  /** Asks for what a room of this mode needs, in one prompt. What is refused is a sentence in the state, and nothing else. */
  async prepare(mode: Mode): Promise<void> {
    this.#mode = mode;
    if (mode !== 'VIDEO') this.#drop('camera');
    if (mode === 'TEXT') this.#drop('microphone');
    this.#show({});
    const missing = DEVICES.filter((kind) => this.#fits(kind) && this.#wanted[kind] && this.#tracks[kind] === null);
    await this.#acquire(missing);
  }

  /** Lets go of everything: no light stays on. */
  release(): void {
    this.#mode = null;
    for (const kind of ['microphone', 'camera', 'screen'] as const) this.#drop(kind);
    this.#show({ problem: null });
  }

  async setCamera(on: boolean): Promise<void> {
    this.#wanted.camera = on;
    if (!on) this.#drop('camera');
    else if (this.#fits('camera') && this.#tracks.camera === null) await this.#acquire(['camera']);
    else this.#show({});
  }

  /** Off keeps the device, so that on is immediate: silence is sent meanwhile. */
  async setMicrophone(on: boolean): Promise<void> {
    this.#wanted.microphone = on;
    const track = this.#tracks.microphone;
    if (track === null && on && this.#fits('microphone')) {
      await this.#acquire(['microphone']);
    } else {
      if (track !== null) track.enabled = on;
      this.#show({});
      this.#changed();
    }
  }

  async shareScreen(on: boolean): Promise<void> {
    if (!on) return this.#drop('screen');
    const asked = ++this.#asked.screen;
    if (!navigator.mediaDevices?.getDisplayMedia)
      return this.#show({ problem: 'This browser cannot share the screen.' });
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: false });
      const [track] = stream.getVideoTracks();
      if (track === undefined) return;
      if (asked !== this.#asked.screen || this.#mode === null) return track.stop();
      track.contentHint = 'detail';
      this.#keep('screen', track);
    } catch (error) {
      // Whoever closes the browser's dialog knows that they did.
      if (!(error instanceof Error && error.name === 'NotAllowedError'))
        this.#show({ problem: 'The screen cannot be shared.' });
    }
  }

  async devices(): Promise<readonly MediaDeviceInfo[]> {
    if (!navigator.mediaDevices) return [];
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter(({ kind }) => kind === 'videoinput' || kind === 'audioinput');
  }

  async choose(kind: Device, deviceId: string): Promise<void> {
    this.#chosen = { ...this.#chosen, [kind]: deviceId };
    keepDevices(this.#chosen);
    if (this.#tracks[kind] !== null) await this.#acquire([kind]);
  }

  #fits(kind: Device): boolean {
    return this.#mode !== 'TEXT' && (kind === 'microphone' || this.#mode !== 'AUDIO');
  }

  /** All at once, and if that fails one by one: a missing camera shall not take the microphone away. */
  async #acquire(kinds: readonly Device[]): Promise<void> {
    if (kinds.length === 0) return this.#show({});
    const words = kinds.toReversed().join(' and ');
    if (!navigator.mediaDevices) return this.#show({ problem: `Your ${words} can be used over https only.` });
    const asked = kinds.map((kind) => ++this.#asked[kind]);
    try {
      const stream = await this.#open(kinds);
      kinds.forEach((kind, index) => {
        const [track] = kind === 'camera' ? stream.getVideoTracks() : stream.getAudioTracks();
        if (asked[index] === this.#asked[kind] && track) this.#keep(kind, track);
        else track?.stop();
      });
      this.#show({ problem: null });
    } catch (error) {
      if (kinds.length > 1 && !(error instanceof Error && error.name === 'NotAllowedError')) {
        const problems: string[] = [];
        for (const kind of kinds) {
          await this.#acquire([kind]);
          const { problem } = this.#store.state().local;
          if (problem !== null) problems.push(problem);
        }
        return this.#show({ problem: problems.join(' ') || null });
      }
      this.#show({ problem: deviceProblem(error, words) });
    }
  }

  async #open(kinds: readonly Device[], exact = true): Promise<MediaStream> {
    const { camera, microphone } = this.#chosen;
    const device = (id: string | undefined) => (id !== undefined && exact ? { deviceId: { exact: id } } : {});
    const video = { width: { ideal: 1280 }, height: { ideal: 720 }, ...device(camera) };
    try {
      return await navigator.mediaDevices.getUserMedia({
        video: kinds.includes('camera') && video,
        audio: kinds.includes('microphone') && {
          echoCancellation: true,
          noiseSuppression: true,
          ...device(microphone),
        },
      });
    } catch (error) {
      if (exact && error instanceof Error && error.name === 'OverconstrainedError') return this.#open(kinds, false); // It is gone.
      throw error;
    }
  }

  #keep(kind: Kind, track: MediaStreamTrack): void {
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = track;
    if (kind === 'microphone') track.enabled = this.#wanted.microphone;
    // `stop` does not fire it: the device was unplugged, or the browser's own button ended the sharing.
    track.onended = () => {
      this.#drop(kind);
      if (kind !== 'screen') this.#show({ problem: `Your ${kind} was disconnected.` });
    };
    this.#show({});
    this.#changed();
  }

  #drop(kind: Kind): void {
    this.#asked[kind]++;
    const track = this.#tracks[kind];
    if (track === null) return;
    this.#tracks[kind] = null;
    track.onended = null;
    track.stop();
    this.#show({});
    this.#changed();
  }

  /**
   * The streams are others when, and only when, their tracks are. Before a call the switches show what it will begin with; in one,
   * what is sent.
   */
  #show(news: { readonly problem?: string | null }): void {
    const { local } = this.#store.state();
    const { microphone, camera, screen } = this.#tracks;
    const before = this.#mode === null;
    this.#store.set({
      local: {
        ...local,
        stream: streamOf(local.stream, [microphone, camera]),
        screen: streamOf(local.screen, [screen]),
        camera: camera !== null || (before && this.#wanted.camera),
        microphone: microphone === null ? before && this.#wanted.microphone : microphone.enabled,
        ...news,
      },
    });
  }
}

/** `before`, if it has just these tracks. */
function streamOf(before: MediaStream | null, tracks: readonly (MediaStreamTrack | null)[]): MediaStream | null {
  const live = tracks.filter((track) => track !== null);
  if (live.length === 0) return null;
  const same = before?.getTracks().length === live.length && live.every((track) => before.getTracks().includes(track));
  return same ? before : new MediaStream(live);
}
