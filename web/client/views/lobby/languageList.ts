/** The languages to choose from, and how one is found. */

import { languageName, ownName } from '../words.ts';

export interface Language {
  readonly tag: string;
  /** In the viewer's language. */
  readonly name: string;
  /** In its own. */
  readonly own: string;
}

/** BCP 47 primary subtags with many speakers, and forms whose speakers part. Anything else can be typed as a tag. */
const TAGS =
  'af am ar as az be bg bn bo bs ca ceb cs cy da de de-AT de-CH el en en-GB en-IN en-US eo es es-419 es-MX et eu fa fi fil fo fr fr-CA fy ga gd gl gn gu ha haw he hi hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nb nn no ny oc om or pa pl ps pt pt-BR pt-PT qu rm ro ru rw sa sd si sk sl sm sn so sq sr st su sv sw ta te tg th ti tk tn to tr tt ug uk ur uz vi wo xh yi yo yue zh zh-Hans zh-Hant zu'.split(
    ' ',
  );

let all: readonly Language[] | null = null;

/** Those that match what was typed, in the name, the language's own name or the tag; the viewer's own languages first. */
export function languagesFor(typed: string, without: readonly string[]): readonly Language[] {
  all ??= sorted(TAGS.map((tag) => ({ tag, name: languageName(tag), own: ownName(tag) })));
  const sought = plain(typed.trim());
  const found = all.filter((language) => !without.includes(language.tag) && matches(language, sought));
  const exact = asTag(typed.trim());
  const others = exact !== null && !without.includes(exact) && !found.some((one) => one.tag === exact);
  const distance = ({ name, own, tag }: Language): number =>
    (plain(name).startsWith(sought) || plain(own).startsWith(sought) ? 0 : 1000) + tag.length;
  const best = sought === '' ? found : [...found].sort((one, other) => distance(one) - distance(other));
  return others ? [...best, { tag: exact, name: languageName(exact), own: exact }] : best;
}

function sorted(languages: readonly Language[]): readonly Language[] {
  const rank = (language: Language): number => {
    const at = navigator.languages.findIndex((tag) => tag === language.tag || tag.split('-')[0] === language.tag);
    return at < 0 ? navigator.languages.length : at;
  };
  return [...languages].sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}

function matches(language: Language, sought: string): boolean {
  return (
    plain(language.name).includes(sought) ||
    plain(language.own).includes(sought) ||
    language.tag.toLowerCase() === sought
  );
}

/** Without case and accents: `francais` finds français. */
function plain(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase();
}

/** What was typed, as a tag that browsers have a name for; else null. */
function asTag(typed: string): string | null {
  try {
    const tag = Intl.getCanonicalLocales(typed)[0] ?? null;
    return tag && tag.length <= 35 && languageName(tag) !== tag ? tag : null;
  } catch {
    return null;
  }
}
