"""The keys of franking tags, derived from the root secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from api.tokens import RootSecrets

PURPOSE: Final = "franking-tag"


class DerivedFrankingKeys:
    """See `ports.FrankingKeys`: a tag key for each root secret, under its ID. Keep a retired root secret for 31 days."""

    def __init__(self, roots: RootSecrets) -> None:
        self._roots = roots

    def newest(self) -> tuple[str, bytes]:
        """See `ports.FrankingKeys`."""
        key_id = self._roots.key_ids[0]
        return key_id, self._roots.derive(key_id, PURPOSE)

    def get(self, key_id: str) -> bytes | None:
        """See `ports.FrankingKeys`."""
        return self._roots.derive(key_id, PURPOSE) if key_id in self._roots.key_ids else None
