/** Icons, drawn on 24 by 24 in the colour of the text. They are decoration: the control that holds one carries the words. */

import type { ReactElement, ReactNode } from 'react';

export type Icon = () => ReactElement;

function drawn(shape: ReactNode): Icon {
  return () => (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {shape}
    </svg>
  );
}

const slash = <path d="M4 4l16 16" />;

export const Camera = drawn(
  <>
    <rect x="2.5" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="M15 10.5l6-3.2v9.4l-6-3.2z" />
  </>,
);
export const CameraOff = drawn(
  <>
    <path d="M7.5 6.500h5a2.5 2.5 0 0 1 2.5 2.500v5M14.6 16.300a2.5 2.5 0 0 1-2.1 1.200H5A2.5 2.5 0 0 1 2.5 15V9c0-.9.4-1.6 1.1-2.100M15 10.500l6-3.200v9.400l-3-1.6" />
    {slash}
  </>,
);
export const Microphone = drawn(
  <>
    <rect x="9" y="2.5" width="6" height="11.5" rx="3" />
    <path d="M5.5 11.500a6.5 6.5 0 0 0 13 0M12 18v3.5" />
  </>,
);
export const MicrophoneOff = drawn(
  <>
    <path d="M9 8.800v2.200a3 3 0 0 0 5 2.200M15 10.300V5.500a3 3 0 0 0-5.7-1.300M5.5 11.500a6.5 6.5 0 0 0 11 4.700M18.5 11.500a6.4 6.4 0 0 1-.4 2.200M12 18v3.5" />
    {slash}
  </>,
);
export const Screen = drawn(
  <>
    <rect x="2.5" y="4" width="19" height="13" rx="2.5" />
    <path d="M8.5 20.500h7M12 13.500v-6M9.3 9.900L12 7.200l2.7 2.7" />
  </>,
);
export const ScreenOff = drawn(
  <>
    <rect x="2.5" y="4" width="19" height="13" rx="2.5" />
    <path d="M8.5 20.500h7M9.5 8l5 5M14.5 8l-5 5" />
  </>,
);
export const Chat = drawn(
  <path d="M5 4.500h14a2.5 2.5 0 0 1 2.5 2.500v7.500A2.5 2.5 0 0 1 19 17h-7.500L6.5 21v-4H5a2.5 2.5 0 0 1-2.5-2.500V7A2.5 2.5 0 0 1 5 4.500zM7.5 9h9M7.5 12.500h5.5" />,
);
export const ChatOff = drawn(
  <>
    <path d="M8.5 4.5h10.5a2.5 2.5 0 0 1 2.5 2.5v7.5a2.5 2.5 0 0 1-1.600 2.300M16 17h-4.5L6.5 21v-4H5a2.5 2.5 0 0 1-2.5-2.5V7A2.5 2.5 0 0 1 4.5 4.600" />
    {slash}
  </>,
);
export const People = drawn(
  <path d="M9 11.500a3.8 3.8 0 1 0 0-7.5 3.8 3.8 0 0 0 0 7.500zM2.5 20c.4-3.3 3-5.2 6.5-5.200s6.1 1.9 6.5 5.200M16 4.500a3.5 3.5 0 0 1 0 6.700M18 15.300c2 .7 3.2 2.3 3.5 4.7" />,
);
export const Person = drawn(
  <path d="M12 12a4.2 4.2 0 1 0 0-8.4 4.2 4.2 0 0 0 0 8.400zM4 20.500c.5-3.7 3.7-5.7 8-5.700s7.5 2 8 5.7" />,
);
export const HangUp = drawn(
  <path
    d="M12 8.500c-3.6 0-6.7 1-9 2.7-.8.6-1 1.6-.6 2.500l.8 1.700c.4.8 1.3 1.2 2.1.9l2.6-.8c.7-.2 1.2-.9 1.2-1.600v-1.500c1.9-.5 3.9-.5 5.8 0v1.500c0 .7.5 1.4 1.2 1.600l2.6.8c.8.3 1.7-.1 2.1-.9l.8-1.700c.4-.9.2-1.9-.6-2.5-2.3-1.7-5.4-2.7-9-2.700z"
    fill="currentColor"
    stroke="none"
  />,
);
export const Skip = drawn(<path d="M5 5.500l8.5 6.500L5 18.500zM17.5 5.500v13" />);
export const More = drawn(
  <g fill="currentColor" stroke="none">
    <circle cx="5" cy="12" r="1.9" />
    <circle cx="12" cy="12" r="1.9" />
    <circle cx="19" cy="12" r="1.9" />
  </g>,
);
export const Flag = drawn(<path d="M5 21.500V3.500M5 4.500h13l-3 4.5 3 4.500H5" />);
export const Block = drawn(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M5.7 5.700l12.6 12.6" />
  </>,
);
export const Shield = drawn(
  <path d="M12 2.800l7.5 2.700v5.700c0 4.7-3 8.2-7.5 10-4.5-1.8-7.5-5.3-7.5-10V5.500zM8.5 11.800l2.5 2.5 4.5-4.8" />,
);
export const Lock = drawn(
  <>
    <rect x="4.5" y="10.5" width="15" height="10.5" rx="2.5" />
    <path d="M8 10.500V7.200a4 4 0 0 1 8 0v3.3" />
  </>,
);
export const Warning = drawn(
  <path d="M10.3 4.200L2.7 17.500a2 2 0 0 0 1.7 3h15.200a2 2 0 0 0 1.7-3L13.7 4.200a2 2 0 0 0-3.4 0zM12 9.500v4.500M12 17.200v.1" />,
);
export const Info = drawn(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 11v5.500M12 7.500v.1" />
  </>,
);
export const Check = drawn(<path d="M4.5 12.500l5 5 10-11" />);
export const Clock = drawn(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 7v5.200l3.5 2" />
  </>,
);
export const Close = drawn(<path d="M6 6l12 12M18 6L6 18" />);
export const Plus = drawn(<path d="M12 5v14M5 12h14" />);
export const Down = drawn(<path d="M6 9.500l6 6 6-6" />);
export const Send = drawn(<path d="M12 20V4.500M5.5 11L12 4.500l6.5 6.5" />);
export const Copy = drawn(
  <>
    <rect x="8.5" y="8.5" width="12" height="12" rx="2.5" />
    <path d="M15.5 5.500v-.500A2 2 0 0 0 13.5 3H5.500a2.5 2.5 0 0 0-2.5 2.500v8a2 2 0 0 0 2 2h.5" />
  </>,
);
export const Refresh = drawn(<path d="M20 11.500a8 8 0 1 0-2 5.800M20 4.500v7h-7" />);
export const Settings = drawn(
  <path d="M4 7h9M18 7h2M4 17h2M11 17h9M15.5 9.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8.5 19.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z" />,
);
export const Link = drawn(
  <path d="M10 14a4 4 0 0 0 5.7 0l3.5-3.500a4 4 0 0 0-5.7-5.700L12 6.300M14 10a4 4 0 0 0-5.7 0l-3.5 3.500a4 4 0 0 0 5.7 5.700L12 17.7" />,
);
export const Crown = drawn(<path d="M4 18.500h16M4.5 15L3 7l5 3.500L12 5l4 5.500L21 7l-1.5 8z" />);
export const SignOut = drawn(
  <path d="M14 4.500H6.500a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2H14M10.5 12H21M17.5 8.500L21 12l-3.5 3.5" />,
);
export const Download = drawn(<path d="M12 3.500v12M6.5 10.500l5.5 5.5 5.5-5.500M4 20.500h16" />);
export const Trash = drawn(
  <path d="M4 6.500h16M9 6.500V4.500a1 1 0 0 1 1-1h4a1 1 0 0 1 1 1v2M6 6.500l1 13a1.5 1.5 0 0 0 1.5 1.500h7a1.5 1.5 0 0 0 1.5-1.500l1-13" />,
);
export const Edit = drawn(<path d="M4 20l1-4.500L16.5 4a2 2 0 0 1 2.8 0l.7.700a2 2 0 0 1 0 2.800L8.5 19z" />);
export const Sound = drawn(
  <path d="M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11" />,
);
