"""Pictures put together from several, and text in pictures: on drawn pictures, and on every real one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kling_utils import examples
from kling_utils.media import people
from kling_utils.media.arrays import Frame, u8
from kling_utils.preflight.advice import advise
from kling_utils.preflight.layout import lines, pictures


def drawn(seed: int, width: int = 300, height: int = 480) -> Frame:
    """Soft spots of all colours: a picture without straight edges."""
    spots = np.random.default_rng(seed).integers(0, 255, (6, 4, 3)).astype(np.uint8)
    return u8(cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC))


def written(frame: Frame, text: str, scale: float = 0.9) -> Frame:
    out = frame.copy()
    for colour, width in (((0, 0, 0), 6), ((255, 255, 255), 2)):
        cv2.putText(out, text, (12, 240), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width)
    return out


def test_pictures_beside_and_over_each_other_are_counted() -> None:
    a, b, c, d = (drawn(i) for i in range(4))
    assert pictures(a) == 1
    assert pictures(np.hstack([a, b])) == 2
    assert pictures(np.hstack([a, b, c])) == 3
    assert pictures(np.vstack([np.hstack([a, b]), np.hstack([c, d])])) == 4


def test_a_gutter_is_one_edge_and_a_border_is_none() -> None:
    white = np.full((480, 12, 3), 255, np.uint8)
    assert pictures(np.hstack([drawn(0), white, drawn(1)])) == 2
    assert pictures(np.hstack([np.repeat(white, 8, 1), drawn(0), np.repeat(white, 8, 1)])) == 1


def test_a_line_of_text_is_found_and_a_row_of_equal_posts_is_none() -> None:
    assert lines(written(drawn(0), "FOLLOW FOR MORE")) == 1
    assert lines(written(drawn(0), "Hi", 0.6)) == 0, "too short to tell"
    fence = drawn(0)
    for x in range(20, 280, 20):
        cv2.rectangle(fence, (x, 200), (x + 8, 225), (255, 255, 255), -1)
    assert lines(fence) == 0
    assert lines(drawn(0)) == 0


def test_the_examples_have_no_text_in_them() -> None:
    assert not [each.path for each in examples.IMAGES if told_text(people.track_image(each.path))]
    for each in examples.VIDEOS:
        found = {f.code: f for f in advise(None, people.track(each.path)).findings}
        assert "video.text" not in found, each.path


def told_text(track: people.PoseTrack) -> bool:
    return "image.text" in {f.code for f in advise(track, None).findings}


def test_no_real_picture_is_a_collage_or_has_text(shared_media: Path) -> None:
    for path in sorted((shared_media / "image").iterdir()):
        codes = {f.code for f in advise(people.track_image(path), None).findings}
        assert not codes & {"image.collage", "image.text"}, path.name


@pytest.mark.parametrize("name", ["fullbody_man.png", "standing_woman.jpg"])
def test_real_pictures_put_together_and_written_on(
    shared_media: Path, tmp_path: Path, name: str
) -> None:
    one = cv2.imread(str(shared_media / "image" / name))
    one = cv2.resize(one, (480, round(480 * one.shape[0] / one.shape[1])))
    both, caption = tmp_path / "both.png", tmp_path / "caption.png"
    cv2.imwrite(str(both), np.hstack([drawn(5, height=len(one)), one]))
    cv2.rectangle(one, (0, 200), (480, 260), (140, 60, 30), -1)
    cv2.imwrite(str(caption), written(one, "FOLLOW FOR MORE"))
    found = {f.code: f for f in advise(people.track_image(both), None).findings}
    assert "2 pictures" in found["image.collage"].measured
    found = {f.code: f for f in advise(people.track_image(caption), None).findings}
    assert found["image.text"].severity == "advice"
