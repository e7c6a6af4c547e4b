"""The whole API: what every feature adds to Query, Mutation and Subscription, merged."""

from __future__ import annotations

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.appeals import AppealsMutation
from schema.authority import AuthorityMutation
from schema.blocks import BlocksMutation
from schema.cases import CasesQuery
from schema.chat import ChatMutation, ChatQuery
from schema.figures import FiguresQuery
from schema.identity import IdentityMutation, IdentityQuery
from schema.invites import InvitesMutation, InvitesQuery
from schema.judging import JudgingMutation
from schema.keys import KeysMutation, KeysQuery
from schema.leaving import LeavingMutation
from schema.matchmaking import MatchmakingMutation, MatchmakingQuery
from schema.operators import OperatorsMutation, OperatorsQuery
from schema.presence import PresenceMutation
from schema.privacy import PrivacyMutation, PrivacyQuery
from schema.reports import ReportsMutation, ReportsQuery
from schema.rooms import RoomsQuery
from schema.scalars import SCALARS
from schema.signaling import SignalingMutation, SignalingQuery
from schema.stats import StatsQuery, StatsSubscription
from schema.subscriptions import RealtimeSubscription


@strawberry.type(description="What can be asked. `stats` and `me` are open to everybody.")
class Query(
    IdentityQuery,
    StatsQuery,
    MatchmakingQuery,
    RoomsQuery,
    InvitesQuery,
    SignalingQuery,
    ChatQuery,
    KeysQuery,
    CasesQuery,
    OperatorsQuery,
    FiguresQuery,
    ReportsQuery,
    PrivacyQuery,
):
    """Everything that reads."""


@strawberry.type(description="What can be done. The two sign-ins and `refreshSession` are open to everybody.")
class Mutation(
    IdentityMutation,
    MatchmakingMutation,
    InvitesMutation,
    LeavingMutation,
    AuthorityMutation,
    SignalingMutation,
    PresenceMutation,
    ChatMutation,
    KeysMutation,
    BlocksMutation,
    JudgingMutation,
    AppealsMutation,
    ReportsMutation,
    PrivacyMutation,
    OperatorsMutation,
):
    """Everything that writes."""


@strawberry.type(description="What happens, as it happens. `stats` is open to everybody.")
class Subscription(RealtimeSubscription, StatsSubscription):
    """Everything that streams."""


schema = strawberry.Schema(
    query=Query, mutation=Mutation, subscription=Subscription, config=StrawberryConfig(scalar_map=SCALARS)
)


def sdl() -> str:
    """The published schema, `schema.graphql`."""
    return schema.as_str() + "\n"
