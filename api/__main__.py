"""`python -m api`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from api.cli import main
    except KeyboardInterrupt:  # Ctrl-C while the libraries load: there is nothing to undo, and nothing to say.
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
