"""Franking: what makes a report of an encrypted message provable, while the server reads nothing.

The sender commits to the plaintext, the server tags the commitment with who sent it, where and when; a report opens both. After
"Message Franking via Committing Authenticated Encryption" (Grubbs, Lu, Ristenpart, 2017) and Facebook's secret conversations.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrankingTag:
    """The server's word that a message was sent: `tag` under the key `key_id`, over the hash of the ciphertext too."""

    key_id: str
    ciphertext_hash: bytes
    tag: bytes
