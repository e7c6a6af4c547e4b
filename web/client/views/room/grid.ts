/** How many columns show the most of everybody. */

/** The columns for `count` tiles of about 4 to 3 in a box of `width` by `height`, so that the tiles' shown area is largest. */
export function columnsFor(count: number, width: number, height: number, gap = 8): number {
  let best = 1;
  let largest = 0;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = (height - gap * (rows - 1)) / rows;
    // What a picture of 4 to 3 fills of the tile; a tile may be filled beyond, which helps nobody.
    const fitted = Math.min(across, (down * 4) / 3);
    if (fitted > largest * 0.98) {
      largest = Math.max(largest, fitted);
      best = columns;
    }
  }
  return best;
}
