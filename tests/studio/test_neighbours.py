"""A second page on one home: it works, and says what that means."""

from __future__ import annotations

from pathlib import Path

from kling_utils.studio.page import SingleInstanceLock


def test_the_second_page_says_so_and_the_next_one_after_the_first_does_not(tmp_path: Path) -> None:
    first = SingleInstanceLock(tmp_path)
    second = SingleInstanceLock(tmp_path)
    assert first.sentence == ""
    assert "none of them is sent or billed twice" in second.sentence
    assert "KLING_HOME" in second.sentence
    second.close()
    first.close()
    third = SingleInstanceLock(tmp_path)
    assert third.sentence == ""
    third.close()
