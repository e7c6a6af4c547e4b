"""For how long one text keeps the loop of a worker, and with it everybody on it: `python -m tests.fuzz.stalls`.

A text is prepared in one go, and so is what this measures: by CPU time, since the machine may be busy, and twice, since the first
time of anything is slower. It prints the worst of what `tests/fuzz/texts.py` makes; the promise is 50 ms.
"""

from __future__ import annotations

import sys
import time
import warnings

from hypothesis.errors import NonInteractiveExampleWarning

from schema.api import schema
from schema.execution.documents import Documents, Prepared
from tests.fuzz.texts import texts

TRIES = 2_000


def main() -> None:
    """Prints the five worst."""
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)  # a script is as good as a prompt
    found: list[tuple[float, str, str]] = []
    for _ in range(TRIES):
        text = texts.example()
        took = []
        for _ in range(2):
            documents = Documents(schema._schema)
            began = time.thread_time()
            outcome = documents.prepare(text)
            took.append(time.thread_time() - began)
        found.append((min(took), "runs" if isinstance(outcome, Prepared) else "refused", text))
    for seconds, what, text in sorted(found, reverse=True)[:5]:
        sys.stdout.write(f"{seconds * 1000:6.1f} ms  {what:8} {len(text):6} characters  {text[:60]!r}\n")


if __name__ == "__main__":
    main()
