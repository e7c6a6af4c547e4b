/** Shows each view on scripted states: `npx vite`, then /test/client/scripted/?view=NAME. Never part of a build. */

import '../../../shared/tokens.css';
import { createRoot } from 'react-dom/client';
import { App } from '../../../client/views/App.tsx';
import { scripted } from './client.ts';
import { VIEWS } from './states.ts';

const name = new URLSearchParams(location.search).get('view') ?? '';
const view = VIEWS[name];
const root = createRoot(document.getElementById('root') as HTMLElement);

if (view) root.render(<App client={scripted(await view())} />);
else
  root.render(
    <ul>
      {Object.keys(VIEWS).map((key) => (
        <li key={key}>
          <a href={`?view=${key}`}>{key}</a>
        </li>
      ))}
    </ul>,
  );
