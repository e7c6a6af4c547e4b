/** What is made of a name where there is no picture. */

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The first characters, as people count them, of the first and the last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const ends = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return ends.map((word) => [...graphemes.segment(word ?? '')][0]?.segment.toLocaleUpperCase() ?? '').join('');
}

/** An angle on the colour wheel, the same for the same name everywhere. */
export function hue(name: string): number {
  let sum = 7;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)!) % 360_007;
  return sum % 360;
}
