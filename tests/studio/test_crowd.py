"""Nobody stops the others: what is slow holds no thread of gradio or of the loop, bounds hold, and turns are fair."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo

from app import build, options
from kling_utils.errors import Busy, Interrupted
from kling_utils.jobs.client import Client
from kling_utils.media import bounds
from kling_utils.media.bounds import Lane, Turns, visitor
from kling_utils.media.fetch import Guard
from kling_utils.settings import load
from kling_utils.studio import events as lanes
from kling_utils.studio.session import PAD, USUAL, Session
from kling_utils.studio.visitor import Tokens, Visitor

from .conftest import bound_page

QUICK = {
    *("Account.on_open", "Account.on_key", "Account.on_typed", "Account.on_forget"),
    "Health.on_press",
    *("Input.on_upload", "Input.on_clear", "Input.on_address", "Input.on_example"),
    *("Repair.on_stop", "Generate.on_dismiss", "Generate.on_show", "Exports.on_stop"),
    *(
        "Keeper.on_dismiss",
        "Keeper.on_forgets",
        "Keeper.on_ask",
        "Gallery.on_pick",
        "Gallery.on_leave",
    ),
    *("JobView.on_stop", "Recovery.on_resend", "Actions.on_dismiss", "Actions.on_moved"),
    *("Actions.on_halt", "Actions.on_show"),
    *("Page.on_opened", "Page.on_load", "PublishingPanel.on_change", "PublishingPanel.on_link"),
    *(
        "PublishingPanel.on_account",
        "PublishingPanel.on_hub",
        "PublishingPanel.on_press",
        "PublishingPanel.on_store",
    ),
    *("Comparison.on_compare", "Comparison.on_back"),
    *("KeptPanel.on_ask", "KeptPanel.on_keep"),
    *("PausePanel.on_pause", "PausePanel.on_go_on"),
    *("Pairs.on_pick", "Pairs.on_watch", "Pairs.on_stop"),
}
"""Handlers that only read the store or change the page: they measure, decode and fetch nothing, and ask no provider or object store."""


FORM: dict[str, Any] = {
    "image": "",
    "video": "",
    "character_orientation": "video",
    "model_name": "kling-v3-0-std",
    "prompt": "",
    "negative_prompt": "",
    "keep_original_sound": True,
}


class Dead:
    """Names that are looked up until ``over`` is set, and then have no address."""

    def __init__(self) -> None:
        self.over, self.now, self.most = threading.Event(), 0, 0
        self.full = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now == bounds.FETCHES:
                self.full.set()
        self.over.wait(60)
        with self._lock:
            self.now -= 1
        raise OSError


def desk_of(name: str) -> Session:
    desk = Session()
    desk.visitor = Visitor(name, hosted=True)
    return desk


@pytest.fixture
def dead() -> Iterator[Dead]:
    made = Dead()
    yield made
    made.over.set()


@pytest.fixture
def runner(tmp_path: Path, dead: Dead) -> Iterator[Client]:
    with Client(load(home=tmp_path / "home")) as made:
        made._inputs._guard = Guard(resolve=dead)
        yield made


def handlers(page: Any) -> dict[str, list[Callable[..., Any]]]:
    found: dict[str, list[Callable[..., Any]]] = {}
    for each in page.fns.values():
        if each.fn is not None:
            found.setdefault(each.fn.__qualname__, []).append(each.fn)
    return found


def test_what_is_slow_runs_in_no_thread_of_gradio(runner: Client) -> None:
    async def inside() -> Any:
        return handlers(build(runner))

    held = {
        name
        for name, each in asyncio.run(inside()).items()
        if not all(inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in each)
    }
    assert held == QUICK


async def all_of(steps: Any) -> list[Any]:
    return [value async for value in steps]


async def last(steps: Any) -> Any:
    return (await all_of(steps))[-1]


def test_checks_of_dead_addresses_hold_nobody(runner: Client, dead: Dead, tmp_path: Path) -> None:
    picture = str(zoo.image(tmp_path))

    async def crowd() -> tuple[list[Any], Any, Any]:
        before = set(threading.enumerate())  # of other tests
        check, *_ = handlers(build(runner))["Page.on_change"]

        def ask(desk: Session, image: str, video: str) -> Any:
            return last(check(session=desk, key="", **FORM | {"image": image, "video": video}))

        strangers = [
            asyncio.create_task(ask(desk_of(f"s{n % 5}"), "", f"https://d{n}.example/x.mp4"))
            for n in range(45)
        ]
        same = [
            asyncio.create_task(ask(desk_of(f"t{n}"), "", "https://d0.example/x.mp4"))
            for n in range(45)
        ]
        neighbour = await ask(desk_of("neighbour"), picture, "")  # nothing was let go so far
        with ThreadPoolExecutor(1, "full") as pool:  # a loaded machine is slow to start threads
            await asyncio.get_running_loop().run_in_executor(pool, dead.full.wait, 60)
        assert dead.now == dead.most == bounds.FETCHES
        names = [each.name for each in threading.enumerate() if each not in before]
        assert sum(name.startswith("kling-fetch") for name in names) == bounds.FETCHES
        assert not any(name.startswith(("AnyIO", "asyncio_")) for name in names)
        dead.over.set()
        return await asyncio.gather(*strangers), await asyncio.gather(*same), neighbour

    strangers, same, neighbour = asyncio.run(crowd())
    assert any("is fine" in str(each) for each in neighbour.values())
    said = [str([*each.values()]) for each in (*strangers, *same)]
    busy = [each for each in said if "This page is busy with other downloads." in each]
    assert len(busy) == 0 or all("Nothing was spent" in each for each in busy)
    assert all("has no address" in each for each in said if each not in busy)
    assert dead.most == bounds.FETCHES


def test_events_of_a_visitor_that_wait_are_bounded_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "EVENTS_EACH", 3)
    lane, go = Lane("test", Turns(1, "tests")), threading.Event()

    async def crowd() -> list[Any]:
        work = lanes.in_lane(lane, lambda session: go.wait(20), busy=lambda error, _: str(error))
        tasks = [asyncio.create_task(work(session=desk_of("a"))) for _ in range(5)]
        tasks.append(asyncio.create_task(work(session=desk_of("b"))))
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks)

    said = asyncio.run(crowd())
    assert [each is True for each in said] == [True, True, True, False, False, True]
    assert "busy with tests" in said[3]
    assert not lanes._under_way


def test_more_pages_than_gradio_has_threads_are_served(tmp_path: Path) -> None:
    settings = load(home=tmp_path / "home")
    assert options(settings, Tokens(settings.home))["max_threads"] == bounds.EVENTS > 256


def test_an_older_check_of_a_session_gives_way_to_a_newer_one() -> None:
    lane, go, done = Lane("test", Turns(1, "tests")), threading.Event(), list[str]()

    def check(name: str, session: Session) -> Iterator[str]:
        if name == "first":
            go.wait(20)
        done.append(name)
        yield name

    async def crowd() -> list[Any]:
        desk, checked = desk_of("a"), lanes.in_lane(lane, check, newest=True)
        tasks = []
        for name in ["first", "second", "third"]:
            tasks.append(asyncio.create_task(all_of(checked(name, desk))))
            await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(crowd())[2] == ["third"]
    assert "second" not in done


def test_busy_is_said_when_no_turn_comes_and_nothing_is_left_in_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "SHORT_WAIT", 0.01)
    lane, go = Lane("test", Turns(1, "tests")), threading.Event()

    async def crowd() -> None:
        first = asyncio.create_task(lanes.run(lane, desk_of("a"), go.wait, 20))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="busy with tests"):
            await lanes.run(lane, desk_of("b"), lambda: pytest.fail("not begun"))
        go.set()
        assert await first

    asyncio.run(crowd())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Lane:
    lane = Lane("make", Turns(2, "other clips"))
    monkeypatch.setattr(bounds, "making", lane)
    return lane


def test_repairs_wait_for_their_turn_in_sight_and_can_be_stopped_there(
    runner: Client, few: Lane, built: Callable[[Callable[[], Any]], Any]
) -> None:
    go, order, begun = threading.Semaphore(0), list[str](), threading.Condition()

    def check(self: Session, *_: Any) -> Any:
        with begun:
            order.append(visitor.get())
            begun.notify_all()
        go.acquire(timeout=60)
        raise Interrupted("Stopped.")

    async def crowd() -> tuple[str, str]:
        choices = {"start": 0.0, "shape": PAD, "slow": False, "colour": USUAL}
        desks = [desk_of("a") for _ in range(6)]
        for desk in desks:
            desk.check = check.__get__(desk)  # type: ignore[method-assign]
        first = [repair.on_fix(desk, **choices, **FORM) for desk in desks]
        heads = [str((await anext(each))[repair.plan]) for each in first]
        late = desk_of("b")
        late.check = check.__get__(late)  # type: ignore[method-assign]
        other = repair.on_fix(late, **choices, **FORM)
        waiting = str((await anext(other))[repair.plan])
        repair.on_stop(desks[-1])
        stopped = await last(first[-1])
        assert stopped[repair.button]["interactive"]
        go.release()
        with begun:
            assert begun.wait_for(lambda: len(order) == 3, 30)
        go.release(10)
        for each in [*first[:-1], other]:
            await last(each)
        return heads[-1], waiting

    repair = built(lambda: bound_page(runner).repair)
    heads, waiting = asyncio.run(crowd())
    assert "Waiting for its turn" in heads
    assert "Waiting for its turn" in waiting
    assert order[:3] == ["a", "a", "b"]  # though three more of another visitor were there before
    assert len(order) == 6


def test_what_is_made_for_nobody_any_more_is_not_begun(few: Lane) -> None:
    go, made = threading.Event(), list[int]()

    async def crowd() -> None:
        running = [asyncio.create_task(lanes.run(few, desk_of("a"), go.wait, 20)) for _ in "12"]
        gone = asyncio.create_task(lanes.run(few, desk_of("a"), made.append, 1))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        go.set()
        await asyncio.gather(*running)
        await lanes.run(few, desk_of("a"), made.append, 2)

    asyncio.run(crowd())
    assert made == [2]
