"""Runs prepared documents: by plans, below Strawberry's own pipeline, and by graphql-core what plans do not cover.

Strawberry's `Schema.execute` and `subscribe` prepare the document again for every operation; their resolvers, `Info`,
permissions, unions and inputs live in the graphql-core schema underneath, which is what runs here. Extensions of
Strawberry's schema do not run.
"""

from __future__ import annotations

from collections import Counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, OperationType

from schema.execution.blueprint import Blueprint
from schema.execution.collecting import Uncovered
from schema.execution.documents import Documents, Prepared
from schema.execution.errors import masked, request_errors, told
from schema.execution.fallback import Core
from schema.execution.persisted import PersistedQueries
from schema.execution.plan import Plan, Tree
from schema.execution.results import Event, Result, not_once, response
from schema.execution.run import Run, waits
from schema.execution.subscribing import close_source, create_source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable

    import strawberry

    from schema.execution.measure import DocumentLimits

__all__ = ["Engine", "Event", "Result"]

PLANNED = "plan"
"""See `Engine.executed`."""


class Engine:
    """A schema that can be asked. `documents` may be read for its counters.

    With `plans` off all is left to graphql-core: that is what plans are compared with.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: DocumentLimits | None = None,
        *,
        introspection: bool = True,
        plans: bool = True,
    ) -> None:
        graphql = schema._schema  # noqa: SLF001 - what Strawberry resolves to, and offers no other way to
        self._hide_suggestions = not introspection
        self._blueprint = Blueprint(schema) if plans else None
        self._core = Core(graphql, hide_suggestions=self._hide_suggestions)
        self.documents = Documents(graphql, limits, introspection=introspection)
        self.persisted = PersistedQueries(self.documents)
        self.executed: Counter[str] = Counter()
        """Operations: those that plans ran under `PLANNED`, and those that were left to graphql-core under the reason."""

    def execute(
        self, prepared: Prepared, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> Result | Awaitable[Result]:
        """Run a query or a mutation: its result at once where nothing had to wait, else what to await for it. Never raises
        but for cancellation: what fails is in `errors`, masked.

        `context` is what resolvers find as `info.context`; who may do what is theirs to decide, for each operation.
        """
        begun = self._begin(prepared, variables, operation_name, context)
        if begun is None:
            return self._core.execute(prepared.document, variables, operation_name, context)
        if isinstance(begun, dict):
            return begun
        plan, tree, run = begun
        if plan.kind is OperationType.SUBSCRIPTION:
            return not_once()
        try:
            data = plan.execute(run, tree)
            return _awaited(run, data) if type(data) is CoroutineType else response(data, run.errors)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a client gets an answer
            return {"errors": [told(error)], "data": None}

    async def subscribe(
        self, prepared: Prepared, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> AsyncGenerator[Event, None] | Result:
        """Start a subscription: its events, or a result without `data` if it cannot start. Never raises but for
        cancellation.

        The generator pulls the source only when it is pulled itself, and must be closed with `aclose()`, which closes
        the source.
        """
        begun = self._begin(prepared, variables, operation_name, context)
        if begun is None:
            return await self._core.subscribe(prepared.document, variables, operation_name, context)
        if isinstance(begun, dict):
            return begun
        plan, tree, run = begun
        try:
            source = create_source(tree.source, run)
            stream = await source if waits(source) else source  # type: ignore[misc]  # it waits
        except GraphQLError as error:
            return {"errors": [masked(error)]}
        except Exception as error:  # noqa: BLE001 - the edge
            return {"errors": [told(error)]}
        return _events(plan, tree, run, aiter(stream))  # type: ignore[arg-type]  # it was looked at

    def _begin(
        self, prepared: Prepared, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> tuple[Plan, Tree, Run] | Result | None:
        """What runs the operation by a plan, or what is wrong with the request; None if it is graphql-core's."""
        if self._blueprint is None:
            return None
        try:
            plan = prepared.plans.plan(operation_name, self._blueprint, hide_suggestions=self._hide_suggestions)
            run = plan.begin(context, variables or {})
            if isinstance(run, list):
                return {"errors": request_errors(run)}
            tree = plan.tree(run)
        except Uncovered as uncovered:
            self.executed[uncovered.reason] += 1
            return None
        except KeyError:
            return None  # the name is wrong, and graphql-core says how
        except Exception as error:  # noqa: BLE001 - a scalar or input that fails on a client's value
            return {"errors": [told(error)]}
        self.executed[PLANNED] += 1
        return plan, tree, run


async def _events(plan: Plan, tree: Tree, run: Run, source: AsyncIterator[Any]) -> AsyncGenerator[Event, None]:
    shared, last = tree.shared, None
    try:
        async for payload in source:
            event = None if shared is None or payload is last else shared.event_of(payload)
            if event is None:
                showing = run.of(payload)
                data = plan.execute(showing, tree)
                if type(data) is CoroutineType:
                    data = await data
                event = Event(response(data, showing.errors), getattr(payload, "on_delivered", None))  # type: ignore[arg-type]
                if shared is not None and not showing.errors:
                    shared.show(payload, event)
            last = payload if shared is not None else None
            yield event
    except Exception as error:  # noqa: BLE001 - the edge
        yield Event({"errors": [told(error)]})
    finally:
        await close_source(source)


async def _awaited(run: Run, data: Awaitable[dict[str, Any] | None]) -> Result:
    try:
        return response(await data, run.errors)
    except Exception as error:  # noqa: BLE001 - the edge
        return {"errors": [told(error)], "data": None}
