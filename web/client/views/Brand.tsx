/** The mark and the name; the picture beside the words at the door. */

import './brand.css';
import type { ReactElement } from 'react';

export function Mark(): ReactElement {
  return (
    <svg className="mark" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <rect className="mark-ground" width="64" height="64" rx="15" />
      <path
        className="mark-mine"
        d="M13 18h24a6 6 0 0 1 6 6v10a6 6 0 0 1-6 6H25l-9 7v-7h-3a4 4 0 0 1-4-4V22a4 4 0 0 1 4-4z"
      />
      <path className="mark-yours" d="M47 25h3a5 5 0 0 1 5 5v11a5 5 0 0 1-5 5h-1v6l-8-6h-8l4-3h4a6 6 0 0 0 6-6z" />
    </svg>
  );
}

export function Brand(): ReactElement {
  return (
    <span className="brand">
      <Mark />
      Parley
    </span>
  );
}

/** Two people who see each other for the first time. */
export function Meeting(): ReactElement {
  return (
    <svg className="meeting" viewBox="0 0 560 520" aria-hidden="true" focusable="false">
      <defs>
        <clipPath id="meeting-one">
          <rect x="20" y="20" width="360" height="300" rx="36" />
        </clipPath>
        <clipPath id="meeting-two">
          <rect x="236" y="232" width="304" height="264" rx="36" />
        </clipPath>
      </defs>
      <g clipPath="url(#meeting-one)">
        <rect className="meeting-wall" x="20" y="20" width="360" height="300" />
        <circle className="meeting-sun" cx="318" cy="92" r="74" />
        <path className="meeting-coat" d="M62 340c4-84 52-122 122-122s118 38 122 122z" />
        <path className="meeting-skin" d="M160 190h48v42c0 16-10 26-24 26s-24-10-24-26z" />
        <ellipse className="meeting-skin" cx="184" cy="152" rx="52" ry="62" />
        <path
          className="meeting-hair"
          d="M126 166c-12-62 12-104 62-106 52-2 74 44 58 110-6-26-16-46-34-56-22 18-52 24-74 18-8 8-10 20-12 34z"
        />
        <path className="meeting-line" d="M160 176c8 16 34 18 46 2M164 148v6M204 148v6" />
      </g>
      <rect className="meeting-halo" x="226" y="222" width="324" height="284" rx="46" />
      <g clipPath="url(#meeting-two)">
        <rect className="meeting-window" x="236" y="232" width="304" height="264" />
        <path
          className="meeting-plant"
          d="M500 470c-6-60-2-100 22-136M504 420c-26-6-40-24-42-48 24 2 40 18 42 48zM508 380c20-8 32-22 32-44"
        />
        <path className="meeting-shirt" d="M284 512c4-66 40-96 98-96s94 30 98 96z" />
        <path className="meeting-skin-two" d="M362 392h40v34c0 12-8 20-20 20s-20-8-20-20z" />
        <ellipse className="meeting-skin-two" cx="382" cy="360" rx="44" ry="52" />
        <path
          className="meeting-hair-two"
          d="M334 366c-10-46 8-80 48-80s60 34 48 80c-4-18-8-30-16-38-18 6-46 6-64 0-8 8-12 20-16 38z"
        />
        <path className="meeting-line" d="M362 380c10 12 30 12 40 0M366 354v5M398 354v5" />
      </g>
      <g className="meeting-bubble">
        <path d="M420 96h84a26 26 0 0 1 26 26v34a26 26 0 0 1-26 26h-50l-30 24v-24h-4a26 26 0 0 1-26-26v-34a26 26 0 0 1 26-26z" />
        <circle cx="438" cy="139" r="7" />
        <circle cx="462" cy="139" r="7" />
        <circle cx="486" cy="139" r="7" />
      </g>
      <g className="meeting-bubble-two">
        <path d="M72 370h96a24 24 0 0 1 24 24v28a24 24 0 0 1-24 24h-8v26l-34-26H72a24 24 0 0 1-24-24v-28a24 24 0 0 1 24-24z" />
        <path className="meeting-words" d="M78 398h84M78 418h50" />
      </g>
    </svg>
  );
}
