import '../shared/tokens.css';
import { createRoot } from 'react-dom/client';
import { createClient } from './engine/client.ts';
import { App } from './views/App.tsx';

createRoot(document.getElementById('root') as HTMLElement).render(<App client={createClient()} />);
