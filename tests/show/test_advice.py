"""The card of advice: what it shows of stills, spans and findings, without a script."""

from __future__ import annotations

import re
from pathlib import Path

from kling_utils import Client, examples
from kling_utils.preflight.advice import Advice
from kling_utils.show.advice import advice
from kling_utils.show.cards import html
from kling_utils.values import Finding

EXAMPLES = Path(examples.__file__).parent


def finding(severity: str = "warning", spans: tuple[tuple[float, float], ...] = ()) -> Finding:
    return Finding(
        "video.people",
        "video",
        severity,
        "People in the clip",
        "2 <b>people</b>",
        "",
        "Crop it.",  # type: ignore[arg-type]
        spans=spans,
    )


def test_findings_are_grouped_and_escaped() -> None:
    card = advice(Advice((finding(),)))
    assert "1 warning about what is shown" in card
    assert "2 &lt;b&gt;people" in card
    assert "Crop it." in card


def test_what_cannot_be_told_is_no_pass() -> None:
    card = advice(Advice((finding("unknown"),)))
    assert "Cannot be told" in card
    assert "without fault" not in card


def test_nothing_to_say_is_said() -> None:
    assert "What is shown looks fine" in advice(Advice((finding("pass"),)))


def test_while_it_is_looked_at_the_head_says_so() -> None:
    card = advice(Advice((), done=False), looking="Format is fine, looking at the content")
    assert "Format is fine, looking at the content" in card
    assert "looks fine" not in card


def test_a_preflight_shows_stills_skeletons_and_the_usable_part(tmp_path: Path) -> None:
    with Client(home=tmp_path) as client:
        before = client.check(EXAMPLES / "dancer.jpg", EXAMPLES / "groove.mp4")
        card = html(before)
    assert 3 <= card.count("data:image/jpeg") <= 9
    assert card.count("<line") > 20
    assert re.search(r'title="Usable at 0\.0 s"', card)
    assert "<script" not in card
    assert len(card) < 300_000
