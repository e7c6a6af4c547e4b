import '../shared/tokens.css';
import { createRoot } from 'react-dom/client';
import { Session } from '../shared/session.ts';
import { takeSlot } from '../shared/slots.ts';
import { App } from './App.tsx';
import './console.css'; // behind the styles of the parts that it makes smaller

/** An operator's machine is often shared: what signs in is gone with the tab. A tab that was duplicated signs in anew. */
const key = await takeSlot('parley.console');
const session = new Session(`${location.origin}/graphql`, key, sessionStorage);

createRoot(document.getElementById('root') as HTMLElement).render(<App session={session} />);
