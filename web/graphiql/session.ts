/** An account of this page's own, kept in its memory alone: another window, or the page loaded again, is somebody else. */

import { print } from 'graphql';
import {
  RefreshSessionDocument,
  type RefreshSessionMutation,
  type SessionPartsFragment,
  SignInAnonymouslyDocument,
  type SignInAnonymouslyMutation,
} from '../shared/generated.ts';
import { overHttp } from './fetcher.ts';

const NAME = 'Explorer';
let session: SessionPartsFragment | undefined;
let deviceToken: string | undefined;

/** A fresh access token: of the session that there is, renewed, or else of a new account. Rejects with the server's own words. */
export async function freshToken(): Promise<string> {
  session = (session && (await renewed(session.refreshToken))) ?? (await signedIn());
  return session.accessToken;
}

async function renewed(refreshToken: string): Promise<SessionPartsFragment | undefined> {
  const { refreshSession } = await answered<RefreshSessionMutation>(RefreshSessionDocument, { refreshToken });
  return refreshSession.__typename === 'RefreshSessionSuccess' ? refreshSession.session : undefined;
}

async function signedIn(): Promise<SessionPartsFragment> {
  const input = { displayName: NAME, deviceToken };
  const { signInAnonymously } = await answered<SignInAnonymouslyMutation>(SignInAnonymouslyDocument, input);
  if (signInAnonymously.__typename !== 'SignInAnonymouslySuccess') throw signInAnonymously;
  deviceToken = signInAnonymously.deviceToken;
  return signInAnonymously.session;
}

async function answered<Data>(document: Parameters<typeof print>[0], input: object): Promise<Data> {
  const { data, errors } = await overHttp({ query: print(document), variables: { input } }, {});
  if (errors?.[0] || !data) throw errors?.[0] ?? { message: 'The server answered without data.' };
  return data as Data;
}
