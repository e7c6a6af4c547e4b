"""How long what belongs to safety is kept, and why: each is as short as its reason allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from domain.safety.suspension import ReportCategory

WORDS_OF_DISMISSED_KEPT: Final = timedelta(days=30)
"""Evidence, comments, statements and reasons of a case that was dismissed, from its decision: time to see that it was a mistake."""

WORDS_KEPT: Final = timedelta(days=183)
"""The same of every other case, from the last decision in it, an appeal's included: a decision can be complained of for six months
(DSA, article 20). Never less while an appeal is open. What a suspension itself says stays with the suspension.
"""

GRAVEST_WORDS_KEPT: Final = timedelta(days=365)
"""The same of a case in which a report of `PRESERVED` was upheld: what was reported to the authorities is preserved for a year
(18 USC 2258A(h), as amended by the REPORT Act)."""

PRESERVED: Final = frozenset({ReportCategory.CHILD_SAFETY, ReportCategory.MINOR_WITH_ADULT, ReportCategory.SEXTORTION})
"""Categories whose upheld reports keep their evidence longest."""

RECORDS_KEPT: Final = timedelta(days=400)
"""Reports, cases, warnings and appeals without their words, from the last decision, and suspensions from their end, with the device
that they bind: the figures of the last twelve months are counted from them. What binds somebody stays for as long as it does, and
a case that nobody has decided until somebody has.
"""

DEVICE_OF_DELETED_KEPT: Final = timedelta(hours=25)
"""For how long a deleted account is still known by its device: a report may come a day after two people parted, and what it leads
to binds the device. Longer only while a case about the account is undecided."""

SESSIONS_KEPT: Final = timedelta(days=30)
"""A session without a refresh token, from its beginning: nobody can continue it, and its last access token ran out long before."""

ACCOUNTS_KEPT: Final = timedelta(days=30)
"""An account that nobody can sign in to any more, from its making at the earliest: it is then erased as if its user had deleted it.
Refresh tokens live for thirty days from their last use, so nobody loses an account that they used within them. Operators' stay.
"""

DEVICES_KEPT: Final = timedelta(days=1)
"""A device that no account and no suspension refers to, from its making at the earliest."""
