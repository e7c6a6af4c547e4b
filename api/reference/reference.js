// Search over the names of the schema. PARTS stands above: by slug the title of a part and the names that are on its page.
'use strict';

const MOST = 30;

const search = document.querySelector('[role=search]');
const input = document.getElementById('search');
const found = document.getElementById('found');
const results = document.getElementById('results');

const names = Object.entries(PARTS).flatMap(([slug, [title, all]]) =>
  all
    .split(' ')
    .filter(Boolean)
    .map((name) => ({ name, title, href: `/docs/${slug}#${name}`, last: name.split('.').pop().toLowerCase() })),
);

/** How well a name fits, the best is 0; undefined if it does not. */
function rank({ name, last }, wanted) {
  const whole = name.toLowerCase();
  if (whole === wanted || last === wanted) return 0;
  if (last.startsWith(wanted) || whole.startsWith(wanted)) return 1;
  if (last.includes(wanted)) return 2;
  return whole.includes(wanted) ? 3 : undefined;
}

/** The names that fit, the best first; of those that fit as well the shorter. */
function matching(wanted) {
  return names
    .map((entry) => ({ ...entry, rank: rank(entry, wanted) }))
    .filter((entry) => entry.rank !== undefined)
    .sort((one, other) => one.rank - other.rank || one.name.length - other.name.length);
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function row({ name, title, href }) {
  const link = document.createElement('a');
  link.href = href;
  link.append(element('code', name), element('span', title));
  const item = document.createElement('li');
  item.append(link);
  return item;
}

function nothing() {
  const item = element('li', 'No such name.');
  item.className = 'none';
  return item;
}

function show() {
  const wanted = input.value.trim().toLowerCase();
  const all = wanted ? matching(wanted) : [];
  results.replaceChildren(...(all.length ? all.slice(0, MOST).map(row) : [nothing()]));
  results.hidden = !wanted;
  found.textContent = wanted ? `${all.length} found${all.length > MOST ? `, ${MOST} shown` : ''}` : '';
}

function close() {
  results.hidden = true;
  found.textContent = '';
}

/** Moves by the arrow keys: from the box into the results, among them, and back. */
function move(event) {
  if (event.key === 'Escape' && !results.hidden) {
    close();
    input.focus();
    event.preventDefault();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || results.hidden) return;
  const stops = [input, ...results.querySelectorAll('a')];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (next) next.focus();
  event.preventDefault();
}

input.addEventListener('input', show);
input.addEventListener('focus', () => input.value && show());
input.addEventListener('keydown', (event) => {
  const first = results.querySelector('a');
  if (event.key === 'Enter' && !results.hidden && first) first.click();
});
results.addEventListener('click', close);
search.addEventListener('keydown', move);
document.addEventListener('focusin', (event) => search.contains(event.target) || close());
document.addEventListener('click', (event) => search.contains(event.target) || close());
search.hidden = false;

// On a narrow screen the parts are one line that scrolls: show where we are in it.
const here = document.querySelector('.parts [aria-current]');
if (here) here.closest('nav').scrollLeft = here.offsetLeft - window.innerWidth / 3;
