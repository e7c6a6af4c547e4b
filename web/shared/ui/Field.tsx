/** Fields of forms: a label, the control, a hint, and what is wrong with it, tied together for assistive technology. */

import './field.css';
import type { InputHTMLAttributes, ReactElement, ReactNode, Ref, TextareaHTMLAttributes } from 'react';
import { useId } from 'react';
import { Warning } from './icons.tsx';

interface Around {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly problem?: string | null | undefined;
}

/** What went wrong, announced once it appears; nothing when there is nothing. */
export function Problem({
  text,
  id,
}: {
  readonly text: string | null | undefined;
  readonly id?: string;
}): ReactElement {
  return (
    <div role="alert" id={id}>
      {text ? (
        <p className="problem">
          <Warning />
          <span>{text}</span>
        </p>
      ) : null}
    </div>
  );
}

interface TextFieldProps extends Around, Omit<InputHTMLAttributes<HTMLInputElement>, 'id'> {
  readonly ref?: Ref<HTMLInputElement>;
}

export function TextField({ label, hint, problem, className = '', ...rest }: TextFieldProps): ReactElement {
  const id = useId();
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <input
        dir="auto"
        {...rest}
        id={id}
        className="input"
        aria-invalid={problem ? true : undefined}
        aria-describedby={`${id}-hint ${id}-problem`}
      />
      <Hint id={`${id}-hint`}>{hint}</Hint>
      <Problem id={`${id}-problem`} text={problem} />
    </div>
  );
}

interface TextAreaProps extends Around, Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'id'> {
  readonly ref?: Ref<HTMLTextAreaElement>;
}

export function TextArea({ label, hint, problem, className = '', ...rest }: TextAreaProps): ReactElement {
  const id = useId();
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <textarea
        dir="auto"
        {...rest}
        id={id}
        className="input"
        aria-invalid={problem ? true : undefined}
        aria-describedby={`${id}-hint ${id}-problem`}
      />
      <Hint id={`${id}-hint`}>{hint}</Hint>
      <Problem id={`${id}-problem`} text={problem} />
    </div>
  );
}

interface SelectProps extends Around {
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly onChange: (value: string) => void;
  readonly className?: string;
  readonly disabled?: boolean;
}

export function Select({
  label,
  hint,
  problem,
  value,
  options,
  onChange,
  className = '',
  disabled,
}: SelectProps): ReactElement {
  const id = useId();
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className="input"
        value={value}
        disabled={disabled}
        onChange={(event) => onChange(event.target.value)}
        aria-describedby={`${id}-hint ${id}-problem`}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <Hint id={`${id}-hint`}>{hint}</Hint>
      <Problem id={`${id}-problem`} text={problem} />
    </div>
  );
}

function Hint({ id, children }: { readonly id: string; readonly children: ReactNode }): ReactElement {
  return (
    <div id={id} className="hint" hidden={!children}>
      {children}
    </div>
  );
}
