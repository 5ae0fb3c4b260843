"""Take against take: which sides two takes stand on, what is hidden until the vote, and who may vote on what."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import zoo
from helpers.engine import make

import kling_utils as kling
from kling_utils.providers.local import LocalProvider
from kling_utils.settings import load
from kling_utils.studio import visitor
from kling_utils.studio.page import Page
from kling_utils.studio.session import Pair, Session

from .conftest import bound_page

Make = Callable[..., Any]


class Coin(random.Random):
    """Falls as it was told."""

    def __init__(self, *falls: float) -> None:
        super().__init__()
        self.falls = list(falls)

    def random(self) -> float:
        return self.falls.pop(0)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[kling.Client]:
    local = LocalProvider(tmp_path / "home", command=make(tmp_path / "engine").command)
    with kling.Client(load(home=tmp_path / "home", poll_interval=0.05), local=local) as made:
        yield made


@pytest.fixture
def takes(client: kling.Client, tmp_path: Path) -> list[str]:
    files = zoo.image(tmp_path), zoo.clip(tmp_path, seconds=3.2)
    jobs = [client.submit(*files, prompt=prompt) for prompt in ("one", "two")]
    for job in jobs:
        assert list(job.events())
    return [job.job_id for job in jobs]


@pytest.fixture
def page(client: kling.Client, built: Make) -> Iterator[Page]:
    made: Page = built(lambda: bound_page(client))
    yield made
    # what is measured in a thread sets filters of warnings, which are of the whole process: not while the next page is built
    made.job_view._analyses._pool.shutdown(cancel_futures=True)


def compared(page: Page, session: Session, takes: list[str], *falls: float) -> str:
    """Compare two takes blind; each of ``falls`` below a half swaps them."""
    page.job_view.comparison._rng = Coin(*falls)
    event: Any = SimpleNamespace(left=takes[0], right=takes[1], blind=bool(falls))
    return page.job_view.comparison.on_compare(event, session)


def voted(page: Page, session: Session, choice: Any) -> dict[str, Any]:
    comparison = page.job_view.comparison
    event: Any = SimpleNamespace(choice=choice)
    drawn = comparison.on_vote(event, session)
    return {"panel": drawn[comparison.panel], "said": drawn[page.generate.notice]}


@pytest.mark.parametrize(("fall", "left", "right"), [(0.4, "two", "one"), (0.6, "one", "two")])
def test_chance_says_who_stands_left_and_nothing_names_them_before_the_vote(
    fall: float, left: str, right: str, page: Page, takes: list[str], client: kling.Client
) -> None:
    session, comparison = Session(), page.job_view.comparison
    assert compared(page, session, takes, fall) == ""
    drawn = comparison.draw(session, page.job_view.stage)
    assert set(drawn[comparison.panel]) == {"mode", "pair"}
    stage = drawn[page.job_view.stage]
    assert (stage["label_a"], stage["label_b"], stage["against"]) == ("Left", "Right", True)
    assert "judge" not in stage
    assert "save" not in stage

    told = voted(page, session, "right")["panel"]
    assert (told["left"]["name"], told["right"]["name"]) == (f"{left}, draft", f"{right}, draft")
    assert told["said"] == f"You chose right: {right}, draft."
    (vote,) = client.votes()
    assert client.record(vote.winner or "").subject == right
    drawn = comparison.draw(session, page.job_view.stage)
    assert drawn[page.job_view.stage]["label_a"] == f"{left}, draft"


def test_a_vote_counts_once_and_only_while_the_names_are_hidden(
    page: Page, takes: list[str], client: kling.Client
) -> None:
    session = Session()
    compared(page, session, takes)
    voted(page, session, "left")
    assert client.votes() == [], "the names were there to read"
    compared(page, session, takes, 0.9)
    assert "is no vote" in voted(page, session, "best")["said"]
    assert "is no vote" in voted(page, session, ["left"])["said"]
    assert client.votes() == []
    for _ in range(2):
        assert voted(page, session, "same")["panel"]["said"] == "You saw no difference."
    assert [vote.choice for vote in client.votes()] == ["same"]
    page.job_view.comparison._rng = Coin(0.9)
    page.job_view.comparison.on_blind(session)
    before = page.job_view.comparison.draw(session, page.job_view.stage)[page.job_view.stage]
    voted(page, session, "left")
    assert len(client.votes()) == 2
    told = page.job_view.comparison.draw(session, page.job_view.stage)[page.job_view.stage]
    assert told["round"] == before["round"], "the vote itself starts nothing again"
    page.job_view.comparison._rng = Coin(0.9)
    page.job_view.comparison.on_blind(session)
    again = page.job_view.comparison.draw(session, page.job_view.stage)[page.job_view.stage]
    assert again["round"] != told["round"], "or a side that goes on playing is known"


def test_what_belongs_to_somebody_else_or_is_gone_is_not_compared(
    page: Page, takes: list[str], client: kling.Client
) -> None:
    stranger, mine = Session(), Session()
    stranger.visitor = visitor.Visitor("v2_stranger", hosted=True)
    assert "no job" in compared(page, stranger, takes, 0.1)
    assert stranger.pair is None
    stranger.compare(Pair(*takes, blind=True))  # however it came there
    assert voted(page, stranger, "left")["panel"] == {"mode": "off"}
    assert client.votes() == []
    for wrong in (["", takes[0]], ["../..", takes[0]], [takes[0], takes[0]]):
        assert compared(page, mine, wrong) != ""
        assert mine.pair is None

    mine.open(takes[0])
    compared(page, mine, takes)
    discard: Any = SimpleNamespace(id=takes[1])
    page.job_view.on_delete(discard, mine)
    assert (mine.pair, mine.job_id) == (None, takes[0]), "one of the two is gone: back to the job"


def test_the_way_back_leads_to_the_job_that_was_open(page: Page, takes: list[str]) -> None:
    session = Session()
    session.open(takes[1])
    compared(page, session, takes)
    assert session.pair == Pair(*takes)
    assert session.job_id == takes[1]
    before = session.view
    page.job_view.comparison.on_back(session)
    assert (session.pair, session.job_id) == (None, takes[1])
    assert session.view is not before, "it is drawn anew"


def test_a_gallery_is_asked_in_words_that_anybody_may_send(
    page: Page, takes: list[str], client: kling.Client
) -> None:
    session, gallery = Session(), page.gallery

    def ask(**how: Any) -> Any:
        return gallery.on_list(SimpleNamespace(**how), session)[gallery.panel]  # type: ignore[arg-type]

    assert [item["title"] for item in ask(text="TWO")["items"]] == ["two"]
    for nonsense in (
        {"text": "", "rating": "great", "group": "mine", "page": -3},
        {"text": "", "rating": [], "group": {}, "page": "7"},
        {"text": "", "page": 10**30},
    ):
        shown = ask(**nonsense)
        assert len(shown["items"]) == 2
        assert shown["listing"]["page"] == 0
    assert ask(text="\ud800 %_")["items"] == []
    ask(text="")
    annotate: Any = SimpleNamespace(id=takes[0], note="\ud800")
    gallery.on_annotate(annotate, session)
    assert client.record(takes[0]).note == "?"
    annotate = SimpleNamespace(id=takes[0], note="x" * 1001)
    assert "at most 1000" in gallery.on_annotate(annotate, session)[page.generate.notice]
    annotate = SimpleNamespace(id=takes[0], name="First", rating="good", note="a < b")
    (item,) = [
        each
        for each in gallery.on_annotate(annotate, session)[gallery.panel]["items"]
        if each["id"] == takes[0]
    ]
    assert (item["title"], item["rating"], item["note"]) == ("First", "good", "a < b")
    stranger = Session()
    stranger.visitor = visitor.Visitor("v2_stranger", hosted=True)
    drawn = gallery.on_annotate(annotate, stranger)
    assert "no job" in drawn[page.generate.notice]
    assert drawn[gallery.panel]["items"] == []
