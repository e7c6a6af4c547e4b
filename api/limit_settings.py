"""The settings that say how much is too much. What they are by default stands with what they limit."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode

from api.buckets import USUAL, ThrottleRates
from api.connections.limits import SocketLimits
from api.graphql_http.endpoint import MUTATIONS_AT_ONCE, MUTATIONS_WAITING
from api.graphql_http.parsing import MAX_BODY
from api.json_values import MAX_VALUES
from api.operation_rates import OF_NETWORK, OF_USER
from api.rate import Rate
from api.shared_rates import SHARED, SharedRates
from api.uvicorn_protocol import MAX_FRAME
from domain.chat import MOST_AT_ONCE, USUAL_AT_ONCE
from schema.execution.measure import DOCUMENT_LIMITS, DocumentLimits

DOCUMENTS = DocumentLimits()
SOCKETS = SocketLimits()
LARGEST_INPUT = 512 * 1024
"""Bytes: an SDP of 64 KiB characters with each escaped; a hundred KEM keys are half of that."""
LARGEST_BUFFER = 4 * 1024 * 1024
LEAST_BURSTS = {
    "rate_signal_bytes": 256 * 1024,
    "rate_message_bytes": 256 * 1024,
    "rate_history_bytes": 2 * 1024 * 1024,
    "rate_signatures": 256,
    "rate_rooms_listed": 256,
}
"""What costs more than a burst could never happen at all: a signal, a message, a page, a bundle, a list of all one's rooms."""


def _rate(value: object) -> object:
    return Rate.of(value) if isinstance(value, str) else value


RateText = Annotated[Rate, NoDecode, BeforeValidator(_rate)]


class LimitSettings(BaseSettings):
    """Of documents and what is sent (`max_`), of sockets and users, and in time (`rate_`)."""

    max_length: int = Field(default=DOCUMENTS.length, ge=1_000, le=1024 * 1024)
    max_tokens: int = Field(default=DOCUMENTS.tokens, ge=100, le=100_000)
    max_depth: int = Field(default=DOCUMENTS.depth, ge=1, le=50)
    max_roots: int = Field(default=DOCUMENTS.roots, ge=1, le=1_000)
    max_fields: int = Field(default=DOCUMENTS.fields, ge=1, le=10_000)
    max_aliases: int = Field(default=DOCUMENTS.aliases, ge=0, le=10_000)
    max_directives: int = Field(default=DOCUMENTS.directives, ge=0, le=1_000)
    max_definitions: int = Field(default=DOCUMENTS.definitions, ge=1, le=200)
    max_merges: int = Field(default=DOCUMENTS.merges, ge=0, le=100_000)
    max_cost: int = Field(default=DOCUMENTS.cost, ge=100, le=1_000_000)
    max_page: int = Field(default=MOST_AT_ONCE, ge=USUAL_AT_ONCE, le=MOST_AT_ONCE)
    max_body: int = Field(default=MAX_BODY, ge=LARGEST_INPUT, le=LARGEST_BUFFER)
    max_frame: int = Field(default=MAX_FRAME, ge=LARGEST_INPUT, le=LARGEST_BUFFER)
    max_values: int = Field(default=MAX_VALUES, ge=2_000, le=1_000_000)
    sockets_per_user: int = Field(default=SOCKETS.sockets_per_user, ge=1, le=100)
    strangers_per_network: int = Field(default=SOCKETS.strangers, ge=1, le=1_000_000)
    operations_per_socket: int = Field(default=SOCKETS.operations, ge=1, le=1_000)
    mutations_per_socket: int = Field(default=SOCKETS.mutations, ge=1, le=10_000)
    mutation_bytes_per_socket: int = Field(default=SOCKETS.mutation_bytes, ge=0, le=64 * 1024 * 1024)
    mutations_per_user: int = Field(default=MUTATIONS_WAITING, ge=0, le=10_000)
    mutations_at_once: int = Field(default=MUTATIONS_AT_ONCE, ge=1, le=10)
    rate_operations_of_user: RateText = OF_USER
    rate_operations_of_network: RateText = OF_NETWORK
    rate_signals: RateText = USUAL.signals
    rate_signal_bytes: RateText = USUAL.signal_bytes
    rate_presence: RateText = USUAL.presence
    rate_queue: RateText = USUAL.queue
    rate_rooms: RateText = USUAL.rooms
    rate_messages: RateText = USUAL.messages
    rate_message_bytes: RateText = USUAL.message_bytes
    rate_signatures: RateText = USUAL.signatures
    rate_publications: RateText = USUAL.publications
    rate_history_bytes: RateText = USUAL.history_bytes
    rate_rooms_listed: RateText = USUAL.rooms_listed
    rate_sockets: RateText = USUAL.sockets
    rate_refreshes: RateText = USUAL.refreshes
    rate_renewals: RateText = USUAL.renewals
    rate_accounts: RateText = SHARED.accounts
    rate_invites: RateText = SHARED.invites
    rate_invites_of_network: RateText = SHARED.invites_of_network
    rate_claims: RateText = SHARED.claims
    rate_blocks: RateText = SHARED.blocks
    rate_appeals: RateText = SHARED.appeals
    rate_reports: RateText = SHARED.reports
    rate_reports_of_network: RateText = SHARED.reports_of_network
    rate_exports: RateText = SHARED.exports
    rate_operator_sign_ins: RateText = SHARED.operator_sign_ins

    @model_validator(mode="after")
    def _bursts(self) -> Self:
        for name in ("rate_operations_of_user", "rate_operations_of_network"):
            if getattr(self, name).burst < self.max_roots:
                msg = (
                    f"PARLEY_{name.upper()} must have a burst of PARLEY_MAX_ROOTS ({self.max_roots}) at least: an operation "
                    "of so many fields could never run."
                )
                raise ValueError(msg)
        for name, least in LEAST_BURSTS.items():
            if getattr(self, name).burst < least:
                msg = f"PARLEY_{name.upper()} must have a burst of {least} at least: the largest there may be could never pass."
                raise ValueError(msg)
        return self

    @property
    def document_limits(self) -> DocumentLimits:
        """What a document may hold."""
        own = {name: getattr(self, f"max_{name}") for name in DOCUMENT_LIMITS}
        return DocumentLimits(**own)

    @property
    def throttle_rates(self) -> ThrottleRates:
        """What each worker counts."""
        return ThrottleRates(**{name: getattr(self, f"rate_{name}") for name in ThrottleRates._fields})

    @property
    def shared_rates(self) -> SharedRates:
        """What all workers count together."""
        return SharedRates(**{name: getattr(self, f"rate_{name}") for name in SharedRates._fields})
