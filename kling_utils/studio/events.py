"""Events of the page: how a handler is bound, and how its work is run.

A handler gets the session and its other inputs by name, and returns or yields updates by component. Work that measures, fetches
or encodes runs in a lane of ``bounds``: gradio's threads and the loop's are for the page, and nothing waits in them.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import gradio as gr

from kling_utils.errors import Busy
from kling_utils.media import bounds
from kling_utils.media.bounds import Lane, visitor
from kling_utils.studio.session import Session

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

T = TypeVar("T")
Updates = dict[Any, Any]
"""New values by component. A component that is not in it stays as it is."""
BusyUpdates = Callable[[Busy, Session], Any]
_END = object()


class Panel(Protocol):
    """A panel about the form."""

    drawn: list[Any]
    """The components that ``draw`` may change."""

    def draw(self, session: Session) -> Updates:
        """What the panel shows of the session."""


class Events:
    """Binds handlers to events, all private: no event of the page is an endpoint for others, or recorded by gradio."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.session = gr.State(Session())
        self.form: dict[str, Any] = {}
        """The components of the form, by the names of ``Form``'s fields."""
        self.opening: list[Any] = []
        """Events that may open another job, which is watched from then on."""

    def on(
        self,
        triggers: Any,
        handler: Callable[..., Any],
        outputs: Any = None,
        *,
        lane: Lane | None = None,
        busy: BusyUpdates | None = None,
        fetch: bool = False,
        newest: bool = False,
        opens: bool = False,
        options: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> Any:
        """Bind ``handler`` to one trigger or to several. ``options`` are gradio's. See ``in_lane`` for the rest."""
        fn = handler
        if lane is not None:
            client = self._client if fetch else None
            fn = in_lane(lane, handler, busy=busy, client=client, newest=newest)
        waits = inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)
        how: dict[str, Any] = {
            "outputs": outputs,
            "inputs_kwargs": {**inputs, "session": self.session},
            "api_visibility": "private",
            "show_progress": "hidden",  # the page shows progress in words of its own
            # a handler that waits must not make other visitors wait
            "concurrency_limit": None if waits else "default",
            **(options or {}),
        }
        event = gr.on(triggers, fn, **how) if isinstance(triggers, list) else triggers(fn, **how)
        if opens:
            self.opening.append(event)
        return event


def begin(lane: Lane, session: Session, work: Callable[[], T]) -> Future[T]:
    """``work`` in its turn, for the visitor of the session. Raises ``Busy``."""
    context = contextvars.copy_context()
    context.run(visitor.set, session.visitor.owner)
    return context.run(lane.submit, work)


async def run(lane: Lane, session: Session, work: Callable[..., T], *args: Any, **named: Any) -> T:
    """The same to its end. Raises ``Busy`` too when its turn does not come within ``bounds.SHORT_WAIT``, and what ``work`` raises."""
    future = begin(lane, session, functools.partial(work, *args, **named))
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait([waiting], timeout=bounds.SHORT_WAIT)
        if not future.running() and future.cancel():
            raise lane.turns.busy()
        return await waiting
    finally:
        future.cancel()  # the page was closed: work that has not begun is not begun


async def fetched(client: Client, session: Session, image: Any, video: Any) -> None:
    """Wait until it is known what the addresses serve, in no thread. A failure is told by the check that follows. Raises ``Busy``."""
    context = contextvars.copy_context()
    context.run(visitor.set, session.visitor.owner)
    sources = [(k, s) for k, s in (("image", image), ("video", video)) if isinstance(s, str)]
    futures = [context.run(client.begin_fetch, *each) for each in sources]
    waiting = [asyncio.wrap_future(_copy(each)) for each in futures if each is not None]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=bounds.FETCH_WAIT)
        if late:
            raise bounds.fetching.turns.busy()


def _copy(future: Future[Any]) -> Future[None]:
    """Ends with the other, which others wait for as well: to cancel this one does not cancel that one."""
    copy: Future[None] = Future()

    def end(_: object) -> None:
        if copy.set_running_or_notify_cancel():
            copy.set_result(None)

    future.add_done_callback(end)
    return copy


_under_way: collections.Counter[str] = collections.Counter()
"""Events of each visitor, changed in the loop only."""


def in_lane(
    lane: Lane,
    handler: Callable[..., Any],
    *,
    busy: BusyUpdates | None = None,
    client: Client | None = None,
    newest: bool = False,
) -> Callable[..., Any]:
    """A handler, or one that yields, run in a lane.

    With a ``client``, the addresses of the form (``image`` and ``video``) are fetched first. ``busy`` makes the updates when there
    is no turn; without it a message appears on the page. ``newest``: one that waits is given up when the same session asks again.
    """
    signature = inspect.signature(handler)

    async def ready(session: Session, given: dict[str, Any]) -> None:
        if _under_way[session.visitor.owner] > bounds.EVENTS_EACH:
            raise lane.turns.busy()
        if client is not None:
            await fetched(client, session, given["image"], given["video"])

    def refused(error: Busy, session: Session) -> Any:
        if busy is None:
            raise gr.Error(f"{error}", print_exception=False) from None
        return busy(error, session)

    @functools.wraps(handler)
    async def steps(*args: Any, **named: Any) -> AsyncIterator[Any]:
        given = _by_name(signature, args, named)
        session: Session = given["session"]
        session.asks += newest
        mine, owner = session.asks, session.visitor.owner

        def step() -> Any:
            return _END if newest and session.asks != mine else next(made, _END)

        _under_way[owner] += 1
        try:
            await ready(session, given)
            made: Iterator[Any] = handler(*args, **named)
            any_yet = False
            while (value := await run(lane, session, step)) is not _END:
                any_yet = True
                yield value
            # never after a value: the page may draw only the last of two that come at once
            if not any_yet:
                yield gr.skip()  # a generator that yields nothing would empty its outputs
        except Busy as error:
            yield refused(error, session)
        finally:
            _ended(owner)

    @functools.wraps(handler)
    async def once(*args: Any, **named: Any) -> Any:
        given = _by_name(signature, args, named)
        session: Session = given["session"]
        owner = session.visitor.owner
        _under_way[owner] += 1
        try:
            await ready(session, given)
            return await run(lane, session, lambda: handler(*args, **named))
        except Busy as error:
            return refused(error, session)
        finally:
            _ended(owner)

    return steps if inspect.isgeneratorfunction(handler) else once


def _by_name(signature: inspect.Signature, args: Any, named: dict[str, Any]) -> dict[str, Any]:
    bound = signature.bind(*args, **named)
    more = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")
    given = dict(bound.arguments)
    return {**given, **given.get(more, {})}


def _ended(owner: str) -> None:
    _under_way[owner] -= 1
    if not _under_way[owner]:
        del _under_way[owner]
