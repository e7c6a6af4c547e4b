"""Signing in and out, renewing a session, and the viewer's own account."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import errors, identity
from domain.safety import suspension as safety
from schema.blocks import BlockConnection, blocks_of_viewer
from schema.context import Info
from schema.enums import OperatorRole, SessionScope
from schema.errors import InvalidInputError, NotAllowedError, SuspendedError, answers
from schema.paging import After, First
from schema.safety import AccountWarning, Suspension

if TYPE_CHECKING:
    from domain.ports import UnitOfWork
    from schema.context import Services


@strawberry.type(description="An account. Nobody but its owner and operators sees it: strangers see a `Member`.")
class User:
    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    display_name: str = strawberry.field(description="The name with which the user enters rooms.")

    @classmethod
    def of(cls, user: identity.User) -> User:
        """The API's form of a user."""
        return cls(id=strawberry.ID(str(user.id)), display_name=user.display_name)


@strawberry.type(description="Whoever is signed in, with what only they may see of themselves.")
class Viewer:
    id: strawberry.ID = strawberry.field(description="Opaque; belongs to the account and differs from `user.id`.")
    user: User = strawberry.field(description="The viewer's account.")
    created_at: datetime = strawberry.field(description="When the account was made.")
    operator_role: OperatorRole | None = strawberry.field(
        description="The viewer's rank as an operator; null for users."
    )
    suspension: Suspension | None = strawberry.field(
        description="The suspension that restricts the viewer most at this moment; null while none does."
    )
    suspensions: list[Suspension] = strawberry.field(
        description="Every suspension of the account and of its device, the newest first, past ones included; at most 50."
    )

    @strawberry.field(description="Decisions that warned the viewer without suspending, the newest first; at most 50.")
    async def warnings(self, info: Info) -> list[AccountWarning]:
        services, caller = info.context.services, info.context.signed_in
        return [AccountWarning.of(each) for each in await services.read(lambda uow: uow.cases.warnings(caller.user_id))]

    @strawberry.field(description="Whom the viewer blocks, the newest first.")
    async def blocks(self, info: Info, first: First = 50, after: After = strawberry.UNSET) -> BlockConnection:
        return await blocks_of_viewer(info, first, after)

    @strawberry.field(
        description="One-time Curve25519 keys of the viewer's bundle that are left; 0 if there is no bundle. Add some below 10."
    )
    async def one_time_pre_key_count(self, info: Info) -> int:
        services, caller = info.context.services, info.context.signed_in
        return (await services.read(lambda uow: uow.keys.counts(caller.user_id))).pre_keys

    @strawberry.field(
        description="One-time KEM keys of the viewer's bundle that are left; 0 if there is no bundle, and for X3DH_25519."
    )
    async def one_time_kem_key_count(self, info: Info) -> int:
        services, caller = info.context.services, info.context.signed_in
        return (await services.read(lambda uow: uow.keys.counts(caller.user_id))).kem_keys

    @classmethod
    def of(cls, user: identity.User, restrictions: safety.Restrictions, now: datetime) -> Viewer:
        """The API's form of a user who looks at themselves."""
        worst, appeals = safety.most_restrictive(restrictions.in_force, now), restrictions.appeals
        return cls(
            id=strawberry.ID(str(identity.viewer_id(user.id))),
            user=User.of(user),
            created_at=user.created_at,
            operator_role=user.operator_role,
            suspension=Suspension.of(worst, appeals.get(worst.id)) if worst else None,
            suspensions=[Suspension.of(each, appeals.get(each.id)) for each in restrictions.newest],
        )


@strawberry.type(description="Proof of being signed in, and the means to renew it.")
class Session:
    access_token: str = strawberry.field(
        description="Sent as `Authorization: Bearer …`, or as `authorization` in the payload of `connection_init`."
    )
    access_token_expires_at: datetime = strawberry.field(
        description="When the access token ends, 15 minutes after it was made; sockets that it opened close with 4403 then."
    )
    refresh_token: str = strawberry.field(
        description=(
            "Renews the session once, within 30 days. A further use within 30 seconds gives a fresh successor as long as none of "
            "them was used (two tabs, a lost answer); any other reuse ends the session everywhere."
        )
    )
    scope: SessionScope = strawberry.field(description="What the session may do.")
    user: User = strawberry.field(description="Whose session it is.")

    @classmethod
    def of(cls, grant: identity.Grant, services: Services, now: datetime) -> Session:
        """The API's form of a session, with a new access token."""
        token, expires_at = services.tokens.issue(grant.session, now)
        return cls(
            access_token=token,
            access_token_expires_at=expires_at,
            refresh_token=grant.refresh_token,
            scope=grant.session.scope,
            user=User.of(grant.user),
        )


@strawberry.input(description="Who wants to come in.")
class SignInAnonymouslyInput:
    display_name: str = strawberry.field(
        description=(
            "1 to 40 characters (code points in NFC) after trimming, of which one can be seen. No control characters, none that "
            "change the direction of text."
        )
    )
    device_token: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="What an earlier sign-in on this device returned; an unknown one is replaced without a word.",
    )


@strawberry.type(description="Signed in, with a new account.")
class SignInAnonymouslySuccess:
    session: Session = strawberry.field(description="The session of the new account.")
    device_token: str = strawberry.field(
        description="Keep it on the device and hand it back at the next sign-in. It names the device, it signs nobody in."
    )


SignInAnonymouslyPayload = Annotated[
    SignInAnonymouslySuccess | InvalidInputError,
    strawberry.union("SignInAnonymouslyPayload", description="What `signInAnonymously` answers."),
]


@strawberry.input(description="The session to renew.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The `refreshToken` of the latest answer.")


@strawberry.type(description="The session goes on.")
class RefreshSessionSuccess:
    session: Session = strawberry.field(description="The session with new tokens and its present scope.")


RefreshSessionPayload = Annotated[
    RefreshSessionSuccess | NotAllowedError,
    strawberry.union("RefreshSessionPayload", description="What `refreshSession` answers."),
]


@strawberry.type(description="Signed out: the session's tokens are no longer good anywhere.")
class SignOutSuccess:
    user: User = strawberry.field(description="Who signed out.")


SignOutPayload = Annotated[
    SignOutSuccess,
    strawberry.union("SignOutPayload", description="What `signOut` answers."),
]


@strawberry.input(description="What to change about the viewer's account.")
class UpdateProfileInput:
    display_name: str = strawberry.field(
        description="The new name, by the rules of `SignInAnonymouslyInput.displayName`."
    )


@strawberry.type(description="The account was changed.")
class UpdateProfileSuccess:
    user: User = strawberry.field(description="The account as it is now.")


UpdateProfilePayload = Annotated[
    UpdateProfileSuccess | InvalidInputError | SuspendedError,
    strawberry.union("UpdateProfilePayload", description="What `updateProfile` answers."),
]


@strawberry.type
class IdentityQuery:
    @strawberry.field(description="The viewer; null when nobody is signed in.")
    async def me(self, info: Info) -> Viewer | None:
        services, caller = info.context.services, info.context.caller
        if caller is None:
            return None

        now = services.clock()

        async def look(uow: UnitOfWork) -> tuple[identity.User | None, safety.Restrictions]:
            return await uow.users.get(caller.user_id), await safety.restrictions_of(uow, caller.user_id, now)

        user, restrictions = await services.read(look)
        return Viewer.of(user, restrictions, now) if user else None


@strawberry.type
class IdentityMutation:
    @strawberry.mutation(
        description=(
            "Makes an account and signs it in. A network may make 60 at once, and 60 in 10 minutes from then on: more are refused "
            "with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.InvalidInput)
    async def sign_in_anonymously(
        self, info: Info, input: Annotated[SignInAnonymouslyInput, strawberry.argument(description="Who comes in.")]
    ) -> SignInAnonymouslyPayload:
        services, now = info.context.services, info.context.services.clock()
        signed_in = await identity.sign_in_anonymously(
            services.transact,
            services.limits,
            services.secrets,
            services.new_id,
            name=input.display_name,
            device_token=input.device_token or None,
            network=info.context.network,
            now=now,
        )
        return SignInAnonymouslySuccess(
            session=Session.of(signed_in.grant, services, now), device_token=signed_in.device_token
        )

    @strawberry.mutation(
        description=(
            "Gives new tokens for a refresh token; needs no access token. A refresh token that is not good is answered with "
            "`NotAllowedError`. A session may do so 120 times at once and then every 10 seconds, a network 600 times and then 60 "
            "a second; beyond, RATE_LIMITED leaves the token as it was."
        )
    )
    @answers(errors.NotAllowed)
    async def refresh_session(
        self,
        info: Info,
        input: Annotated[RefreshSessionInput, strawberry.argument(description="The session to renew.")],
    ) -> RefreshSessionPayload:
        services, now = info.context.services, info.context.services.clock()
        grant = await identity.refresh_session(
            services.transact,
            services.throttle,
            services.secrets,
            refresh_token=input.refresh_token,
            network=info.context.network,
            now=now,
        )
        return RefreshSessionSuccess(session=Session.of(grant, services, now))

    @strawberry.mutation(
        description=(
            "Ends this session: its tokens, its sockets (4401), and with the user's last session their place in the queue, their "
            "match, and their seats in all rooms."
        )
    )
    async def sign_out(self, info: Info) -> SignOutPayload:
        services, caller = info.context.services, info.context.signed_in
        return SignOutSuccess(user=User.of(await identity.sign_out(services.transact, caller, now=services.clock())))

    @strawberry.mutation(description="Renames the viewer. Rooms that the viewer is in keep the name they entered with.")
    @answers(errors.InvalidInput, errors.Suspended)
    async def update_profile(
        self, info: Info, input: Annotated[UpdateProfileInput, strawberry.argument(description="What to change.")]
    ) -> UpdateProfilePayload:
        services, viewer = info.context.services, info.context.viewer
        user = await services.transact(
            lambda uow: identity.update_profile(uow, viewer.user_id, name=input.display_name, now=services.clock())
        )
        return UpdateProfileSuccess(user=User.of(user))
