"""Handlers that take long run in lanes of their own: gradio's threads and the loop's are the page's, and nothing waits in them.

Owns how a handler gets into a lane, and for which visitor: the one at the desk among its arguments. Knows no figures: ``bounds`` has them.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from kling_utils.errors import Busy
from kling_utils.media import bounds
from kling_utils.media.bounds import Lane, visitor
from kling_utils.studio.session import Session

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

T = TypeVar("T")
_END = object()


def begin(lane: Lane, desk: Session, work: Callable[[], T]) -> Future[T]:
    """``work`` in its turn, for the visitor at the desk. Raises ``Busy``."""
    context = contextvars.copy_context()
    context.run(visitor.set, desk.who.owner)
    return context.run(lane.submit, work)


async def run(lane: Lane, desk: Session, work: Callable[..., T], *args: Any, **named: Any) -> T:
    """The same to its end. Raises ``Busy`` too when its turn does not come within ``bounds.SHORT_WAIT``, and what ``work`` raises."""
    future = begin(lane, desk, functools.partial(work, *args, **named))
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait([waiting], timeout=bounds.SHORT_WAIT)
        if not future.running() and future.cancel():
            raise lane.turns.busy()
        return await waiting
    finally:
        future.cancel()  # the page was closed: what has not begun is not begun


async def fetched(runner: Client, desk: Session, *sources: Any) -> None:
    """Wait until it is known what the addresses serve, in no thread. A failure is told by the check that follows. Raises ``Busy``."""
    context = contextvars.copy_context()
    context.run(visitor.set, desk.who.owner)
    given = [each for each in zip(_KINDS, sources, strict=True) if isinstance(each[1], str)]
    futures = [context.run(runner.begin_fetch, *each) for each in given]
    waiting = [asyncio.wrap_future(_copy(each)) for each in futures if each is not None]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=bounds.FETCH_WAIT)
        if late:
            raise bounds.fetching.turns.busy()


_under_way: collections.Counter[str] = collections.Counter()
"""Events of each visitor, changed in the loop only."""


def _end(who: str) -> None:
    _under_way[who] -= 1
    if not _under_way[who]:
        del _under_way[who]


_KINDS = ("image", "video")


def _copy(future: Future[Any]) -> Future[None]:
    """Ends with the other, which others wait for as well: to cancel this one does not cancel that one."""
    copy: Future[None] = Future()

    def end(_: object) -> None:
        if copy.set_running_or_notify_cancel():
            copy.set_result(None)

    future.add_done_callback(end)
    return copy


def in_lane(
    lane: Lane,
    handler: Callable[..., Any],
    *,
    busy: Callable[..., Any] | None = None,
    runner: Client | None = None,
    form_at: int = 0,
    newest: bool = False,
) -> Callable[..., Any]:
    """A handler, or one that yields, as gradio takes it, run in a lane.

    With a ``runner``, the addresses of the form, which begins at argument ``form_at``, are fetched first. ``busy`` gets the error and
    the arguments and makes the outputs when there is no turn; without it a message appears on the page. ``newest``: one that waits
    is given up when the same session asks anew.
    """

    def refused(error: Busy, args: tuple[Any, ...]) -> Any:
        if busy is None:
            raise gr.Error(f"{error}", print_exception=False) from None
        return busy(error, *args)

    async def ready(desk: Session, args: tuple[Any, ...]) -> None:
        if _under_way[desk.who.owner] > bounds.EVENTS_EACH:
            raise lane.turns.busy()
        if runner is not None:
            await fetched(runner, desk, *args[form_at : form_at + 2])

    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        async def steps(*args: Any) -> AsyncIterator[Any]:
            desk = _desk(args)
            desk.asks += newest
            mine = desk.asks

            def step() -> Any:
                return _END if newest and desk.asks != mine else next(made, _END)

            who = desk.who.owner
            _under_way[who] += 1
            try:
                await ready(desk, args)
                made: Iterator[Any] = handler(*args)
                any_yet = False
                while (value := await run(lane, desk, step)) is not _END:
                    any_yet = True
                    yield value
                if not any_yet:
                    yield gr.skip()  # a generator that yields nothing would empty its outputs
            except Busy as error:
                yield refused(error, args)
            finally:
                _end(who)

        return steps

    @functools.wraps(handler)
    async def once(*args: Any) -> Any:
        desk = _desk(args)
        who = desk.who.owner
        _under_way[who] += 1
        try:
            await ready(desk, args)
            return await run(lane, desk, lambda: handler(*args))
        except Busy as error:
            return refused(error, args)
        finally:
            _end(who)

    return once


def _desk(args: tuple[Any, ...]) -> Session:
    return next(each for each in args if isinstance(each, Session))
