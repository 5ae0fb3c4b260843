from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from helpers.clocks import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_utils.providers.http import Limiter, full_jitter, retry_after

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        ("0.25", 0.25),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("soon", None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), None),
        ("Wed, 99 Foo 2026 00:00:00 GMT", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_header_is_fatal(text: str) -> None:
    found = retry_after(text, NOW)
    assert found is None or found > 0


@settings(deadline=None)
@given(st.integers(1, 10_000), st.integers())
def test_jitter_stays_in_its_bounds(failures: int, seed: int) -> None:
    assert (
        0 <= full_jitter(failures, random.Random(seed)) <= min(8, 0.5 * 2 ** min(failures - 1, 10))
    )


def test_the_window_slides_and_old_keys_are_forgotten() -> None:
    clock = Clock()
    limiter = Limiter(3, clock)
    for _ in range(3):
        assert limiter.take("a") == 0
        clock.now += 10
    assert limiter.take("a") == pytest.approx(30, abs=0.01)
    clock.now += 30.01
    assert limiter.take("a") == 0
    assert limiter.take("a") == pytest.approx(10, abs=0.02)
    clock.now += 120
    limiter.take("b")
    assert len(limiter._buckets) == 1
    assert "b" not in limiter._buckets
