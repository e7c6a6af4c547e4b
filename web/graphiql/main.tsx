import '../shared/tokens.css';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './page.css';
import './workers.ts';

import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { taken } from './link.ts';

createRoot(document.getElementById('root') as HTMLElement).render(<App link={taken()} />);
