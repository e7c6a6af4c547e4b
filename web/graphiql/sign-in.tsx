import { useGraphiQL } from '@graphiql/react';
import { useEffect, useRef, useState } from 'react';
import { authorized, tokenOf } from './headers.ts';
import { freshToken } from './session.ts';

/** The button that puts a token into the Headers tab: first of a new account, then a renewed one. */
export function SignIn() {
  const { editor, tab } = useGraphiQL((state) => ({
    editor: state.headerEditor,
    tab: state.tabs[state.activeTabIndex]?.id,
  }));
  const [token, setToken] = useState<string>();
  const [failure, setFailure] = useState<string>();
  const [busy, setBusy] = useState(false);
  const issued = useRef(new Set<string>());

  // Each tab has headers of its own. One that is opened gets the token, unless it was given another, or other headers.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tab is what the editor shows
  useEffect(() => {
    const text = editor?.getValue() ?? '';
    if (token && (!text.trim() || issued.current.has(tokenOf(text) ?? ''))) editor?.setValue(authorized(text, token));
  }, [editor, tab, token]);

  const press = async () => {
    setBusy(true);
    setFailure(undefined);
    try {
      const fresh = await freshToken();
      issued.current.add(fresh);
      editor?.setValue(authorized(editor.getValue(), fresh));
      setToken(fresh);
    } catch (fault) {
      setFailure((fault as { message: string }).message);
    } finally {
      setBusy(false);
    }
  };

  return (
    <>
      <span className="parley-state" role="status">
        {failure ?? (token ? 'Signed in as Explorer' : '')}
      </span>
      <button
        type="button"
        className="parley-sign-in"
        disabled={busy || !editor}
        onClick={press}
        title={
          token ? 'Renews the token in the Headers tab' : 'Makes an account, and puts its token into the Headers tab'
        }
      >
        {token ? 'Renew token' : 'Sign in'}
      </button>
    </>
  );
}
