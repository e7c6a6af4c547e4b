"""Invite codes: HMACs of a room and how often its invite was rotated, so that nothing needs to be stored to show them again."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from typing import TYPE_CHECKING, Final

from domain.rooms.room import Invite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from api.tokens import RootSecrets

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that can be read as another, or as a digit."""
CODE_LENGTH: Final = 20
"""Characters, 5 bits each: 100 bits."""
GROUP: Final = 5
"""Characters between hyphens."""
LONGEST_TYPED: Final = 64
"""Characters of a code with whatever people put between them."""

_CONFUSED = str.maketrans("OIL", "011")


class InviteCodes:
    """See `ports.Invites`. A code is good for as long as its root secret is kept, and shown by the room until it is rotated."""

    def __init__(self, roots: RootSecrets) -> None:
        self._roots = roots

    def new(self, version: int) -> Invite:
        """See `ports.Invites`."""
        return Invite(version, self._roots.key_ids[0])

    def code(self, room_id: UUID, invite: Invite) -> str | None:
        """See `ports.Invites`: four groups of five characters, `7QK2M-…`."""
        if invite.key_id not in self._roots.key_ids:
            return None
        plain = self._plain(room_id, invite)
        return "-".join(plain[i : i + GROUP] for i in range(0, CODE_LENGTH, GROUP))

    def digest(self, room_id: UUID, invite: Invite) -> bytes:
        """See `ports.Invites`."""
        return self._digest(invite.key_id, self._plain(room_id, invite))

    def digests(self, code: str) -> Sequence[bytes]:
        """See `ports.Invites`. Case, hyphens and spaces of any script do not matter, nor what is invisible: texts are copied out of
        messages whose writers put dashes and joiners for hyphens. The letters O, I and L are taken for digits.
        """
        if len(code) > LONGEST_TYPED:
            return ()
        plain = "".join(c for c in code.upper() if not _between(c)).translate(_CONFUSED)
        if len(plain) != CODE_LENGTH or not set(plain) <= set(ALPHABET):
            return ()
        return [self._digest(key_id, plain) for key_id in self._roots.key_ids]

    def _plain(self, room_id: UUID, invite: Invite) -> str:
        message = room_id.bytes + invite.version.to_bytes(8, "big")
        number = int.from_bytes(
            hmac.digest(self._roots.derive(invite.key_id, "invite/code"), message, hashlib.sha256), "big"
        )
        return "".join(ALPHABET[number >> (5 * i) & 31] for i in range(CODE_LENGTH))

    def _digest(self, key_id: str, plain: str) -> bytes:
        return hmac.digest(self._roots.derive(key_id, "invite/lookup"), plain.encode(), hashlib.sha256)


def _between(character: str) -> bool:
    """Whether it may stand between the characters of a code: space, a dash, or a mark that shows nothing."""
    return character.isspace() or unicodedata.category(character) in {"Pd", "Cf"}
