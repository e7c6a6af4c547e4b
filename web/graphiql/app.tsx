import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useEffect } from 'react';
import { TABS } from './examples.ts';
import { EXAMPLES_PLUGIN } from './examples-panel.tsx';
import { fetcher } from './fetcher.ts';
import type { Link } from './link.ts';
import { SignIn } from './sign-in.tsx';
import { keepsHeaders, storage } from './storage.ts';
import { THEMES, Theme } from './theme.tsx';

const PLUGINS = [EXAMPLES_PLUGIN, HISTORY_PLUGIN];
/** Of GraphQL. */
const NAME = /^[_A-Za-z][_0-9A-Za-z]*$/;
const KEEPS_HEADERS = keepsHeaders();

/** GraphiQL over this server: with the tabs of last time, or with examples, and with what the address asked for in front. */
export function App({ link }: { link: Link | null }) {
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage as Storage}
      plugins={PLUGINS}
      defaultTabs={[...(link ? [link] : []), ...TABS]}
      {...(link && { initialQuery: link.query, initialVariables: link.variables })}
      defaultEditorToolsVisibility={true}
      shouldPersistHeaders={KEEPS_HEADERS}
      showPersistHeadersSettings={true}
      inputValueDeprecation={true}
      schemaDescription={true}
      editorTheme={THEMES}
      forcedTheme={'system' as never}
    >
      <GraphiQL.Logo>
        <Theme />
        {link?.operationName && NAME.test(link.operationName) && <Chosen operation={link.operationName} />}
        <SignIn />
        <a href="/docs">Reference</a>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

/** Of several operations in the address, the one that it names: the cursor stands in it, so that Ctrl-Enter runs it. */
function Chosen({ operation }: { operation: string }) {
  const { setOperationName } = useGraphiQLActions();
  const editor = useGraphiQL((state) => state.queryEditor);
  useEffect(() => {
    const model = editor?.getModel();
    const [place] = model?.findMatches(`\\b${operation}\\b`, false, true, true, null, false, 1) ?? [];
    if (!editor || !place) return;
    editor.setPosition(place.range.getStartPosition());
    editor.revealLineInCenterIfOutsideViewport(place.range.startLineNumber);
    setOperationName(operation);
  }, [editor, operation, setOperationName]);
  return null;
}
