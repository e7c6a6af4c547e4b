/** The same figures as a plot shows, to read; the newest first. */

import { type ReactElement, useState } from 'react';
import { type PlotProps, valueWords } from './Plot.tsx';

interface TableProps extends Pick<PlotProps, 'title' | 'times' | 'series'> {
  readonly words: (time: number) => string;
}

export function Table({ title, times, series, words }: TableProps): ReactElement {
  const [open, setOpen] = useState(false);
  const places = times.map((_, place) => place).reverse();
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Table<span className="visually-hidden"> of {title}</span>
      </summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
        <section className="plot-table" aria-label={title} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map(({ label }) => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {places.map((place) => (
                <tr key={times[place]}>
                  <th scope="row">{words(times[place]!)}</th>
                  {series.map(({ label, values }) => (
                    <td key={label}>{valueWords(values[place] ?? null)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}
