"""Automatic persisted queries: a client sends the hash of a document, and the document itself only when we do not know it.

As Apollo's server has it: https://www.apollographql.com/docs/apollo-server/performance/apq. Apollo Client acts on the codes and
urql on the messages. A store is one process's: a client that comes to another worker sends the text once more.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeGuard

from schema.execution.documents import Prepared, Rejected, Unknown
from schema.execution.errors import failure
from schema.execution.lru import SegmentedLru

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schema.execution.documents import Documents

ENTRIES = 1_000
CHARACTERS = 4 * 1024 * 1024
"""Of all texts together; none may have more than a twentieth of it."""

VERSION = 1


class PersistedQueries:
    """Documents by their hash or their text.

    Only a text that was valid is kept, and one that was asked for once cannot push out one that was asked for twice. `hits`,
    `misses` and `registered` count since the start; they and `entries` may be read at any time.
    """

    def __init__(self, documents: Documents, entries: int = ENTRIES, characters: int = CHARACTERS) -> None:
        self._documents = documents
        self._texts: SegmentedLru[str] = SegmentedLru(entries, characters)
        self.hits = 0
        self.misses = 0
        self.registered = 0

    @property
    def entries(self) -> int:
        """How many texts are kept."""
        return len(self._texts)

    def find(self, text: str | None, extensions: Mapping[str, Any] | None) -> Prepared | Rejected | Unknown:
        """What a request runs that has a text, or `persistedQuery`, or both; or why it cannot. Never raises.

        What is not known is to be prepared, and then to be given to `learned`.
        """
        persisted = (extensions or {}).get("persistedQuery")
        if persisted is None:
            text = text or ""
            return self._documents.find(text) or Unknown(text)
        if not isinstance(persisted, dict):
            return _refused("BAD_USER_INPUT", "persistedQuery must be an object.")
        if type(persisted.get("version")) is not int or persisted["version"] != VERSION:
            return _refused("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
        digest = persisted.get("sha256Hash")
        if not isinstance(digest, str):
            return _refused("BAD_USER_INPUT", "sha256Hash must be a string.")
        return self._known(digest) if text is None else self._registered(digest, text)

    def learned(self, unknown: Unknown, outcome: Prepared | Rejected) -> Prepared | Rejected:
        """The same outcome, its text kept under its hash if it came with one and is valid."""
        digest = unknown.digest
        if digest is not None and isinstance(outcome, Prepared) and self._texts.get(digest) is None:
            self._texts.put(digest, unknown.text, len(unknown.text))
            self.registered += 1
        return outcome

    def _known(self, digest: str) -> Prepared | Rejected | Unknown:
        text = self._texts.get(digest)
        if text is None:
            self.misses += 1
            return _refused("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        self.hits += 1
        return self._documents.find(text) or Unknown(text)

    def _registered(self, digest: str, text: str) -> Prepared | Rejected | Unknown:
        if sha256(text.encode(errors="replace")).hexdigest() != digest:
            return _refused("BAD_USER_INPUT", "provided sha does not match query")
        unknown, found = Unknown(text, digest), self._documents.find(text)
        return unknown if found is None else self.learned(unknown, found)


def is_persisted(extensions: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
    """Whether a request may do without a text."""
    return extensions is not None and extensions.get("persistedQuery") is not None


def _refused(code: str, message: str) -> Rejected:
    return Rejected([failure(code, message)])
