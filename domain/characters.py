"""Characters that no text which strangers read may hold."""

from __future__ import annotations

DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder what stands around them: `\u202egnp.exe` (Unicode TR 36, section 3.2). The marks (LRM, RLM, ALM) do not, and belong
to real names."""
