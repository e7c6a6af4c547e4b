import { useGraphiQL, useMonaco } from '@graphiql/react';
import { useEffect } from 'react';

/** The editor's themes by the system's scheme; `Theme` gives them their colours. */
export const THEMES = { light: 'parley-light', dark: 'parley-dark' };

/** Paints the editor in the colours of ../shared/tokens.css, and again when the system changes between light and dark. */
export function Theme() {
  const monaco = useMonaco((state) => state.monaco);
  const editors = useGraphiQL((state) => [
    state.queryEditor,
    state.variableEditor,
    state.headerEditor,
    state.responseEditor,
  ]);

  useEffect(() => {
    if (!monaco) return;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const paint = () => {
      const name = scheme.matches ? THEMES.dark : THEMES.light;
      monaco.editor.defineTheme(name, {
        base: scheme.matches ? 'vs-dark' : 'vs',
        inherit: true,
        colors: colours(),
        rules: [
          { token: 'argument.identifier.gql', foreground: token('--warn') },
          { token: 'comment', foreground: token('--muted') },
        ],
      });
      monaco.editor.setTheme(name);
    };
    paint();
    scheme.addEventListener('change', paint);
    return () => scheme.removeEventListener('change', paint);
  }, [monaco]);

  useEffect(() => {
    for (const editor of editors) editor?.updateOptions({ fontFamily: token('--mono'), fontSize: 14, wordWrap: 'on' });
  }, [editors]);

  return null;
}

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function colours(): Record<string, string> {
  const accent = token('--accent');
  const surface = token('--surface');
  const soft = token('--accent-soft');
  return {
    'editor.background': '#ffffff00',
    'editor.foreground': token('--text'),
    'editorLineNumber.foreground': token('--muted'),
    'editorLineNumber.dimmedForeground': token('--muted'),
    'scrollbar.shadow': '#ffffff00',
    'textLink.foreground': accent,
    'textLink.activeForeground': accent,
    'editorLink.activeForeground': accent,
    'editorHoverWidget.background': surface,
    'editorWidget.background': surface,
    'editorWidget.resizeBorder': accent,
    'editorSuggestWidget.background': surface,
    'editorSuggestWidget.selectedBackground': soft,
    'editorSuggestWidget.selectedForeground': accent,
    'list.hoverBackground': soft,
    'list.highlightForeground': accent,
    'list.focusHighlightForeground': accent,
    'menu.background': surface,
    'menu.selectionBackground': soft,
    'menu.selectionForeground': accent,
    'quickInput.background': surface,
    'quickInputList.focusBackground': soft,
    'quickInputList.focusForeground': token('--text'),
    'pickerGroup.foreground': accent,
    'input.background': token('--sunken'),
    focusBorder: accent,
  };
}
