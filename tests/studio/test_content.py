"""What the files show, on the page: a look goes on to its end while they stay the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from kling_utils import Client, examples
from kling_utils.studio import crop, trim
from kling_utils.studio.content import LOOKING, Content
from kling_utils.studio.session import Form, Session
from kling_utils.values import Size

DANCER, GROOVE = examples.IMAGES[0].path, examples.VIDEOS[0].path


def unseen(source: Path, folder: Path) -> Path:
    """A copy that nothing has looked at yet: a box at its end makes another file of it."""
    mark = str(folder).encode()
    copy = folder / source.name
    copy.write_bytes(source.read_bytes() + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark)
    return copy


def test_a_second_check_of_the_same_files_does_not_end_the_look(
    built: Callable[..., Any], tmp_path: Path
) -> None:
    clip = unseen(GROOVE, tmp_path)
    form = Form(str(DANCER), str(clip), "video", "kling-v3-0-std", "", "", True)
    content = built(lambda: Content((), gr.HTML()))
    with Client(home=tmp_path / "home") as client:
        session = Session()
        session.check(client, form, None)
        looks = content.on_checked(session)
        next(looks)
        session.check(client, form, None)  # as Generate does
        assert list(looks)
        assert session.advice is not None
        assert session.advice.done
        drawn = trim.Trim.value(session)
        assert drawn["film"]
        assert drawn["seconds"] == 4.8


def test_a_look_at_files_of_before_ends(built: Callable[..., Any], tmp_path: Path) -> None:
    clip = unseen(GROOVE, tmp_path)
    form = Form(str(DANCER), str(clip), "video", "kling-v3-0-std", "", "", True)
    content = built(lambda: Content((), gr.HTML()))
    with Client(home=tmp_path / "home") as client:
        session = Session()
        session.check(client, form, None)
        looks = content.on_checked(session)
        next(looks)
        session.check(client, Form(*(str(DANCER), str(GROOVE), "video"), *_REST), None)
        assert session.advice is None
        (last,) = looks
        assert LOOKING in last[content.card], (
            "what is drawn again at the end is about the new files"
        )


_REST: tuple[Any, ...] = ("kling-v3-0-std", "", "", True)


def test_a_part_outside_the_clip_is_no_part() -> None:
    def span(**told: Any) -> Any:
        return trim.span(type("Event", (), told)(), 12.0)  # type: ignore[arg-type]

    assert span(start=1, end=6.5) == (1.0, 6.5)
    assert span(start=0.0, end=12.05) == (0.0, 12.0)
    for start, end in ((-1, 5), (5, 5), (6, 5), (0, 13), ("0", 5), (True, 5), (None, 5), (0, None)):
        assert span(start=start, end=end) is None


def test_a_part_outside_the_picture_is_no_part() -> None:
    def part(*asked: Any) -> Any:
        told = dict(zip(("left", "top", "right", "bottom"), asked, strict=True))
        return crop.part(type("Event", (), told)(), Size(600, 900))  # type: ignore[arg-type]

    assert part(0, 0.4, 600.2, 900) == (0, 0, 600, 900)
    assert part(10, 20, 400, 500) == (10, 20, 400, 500)
    for wrong in ((-1, 0, 9, 9), (9, 0, 9, 9), (0, 0, 601, 9), (0, 0, 9, 901), ("0", 0, 9, 9)):
        assert part(*wrong) is None
    assert part(True, 0, 9, 9) is part(None, 0, 9, 9) is None
