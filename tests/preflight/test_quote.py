"""What a request will cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_utils.errors import SettingError
from kling_utils.preflight.quote import RateCard, expected_seconds, for_part, quote
from kling_utils.settings import Settings
from kling_utils.show import words
from kling_utils.values import LIST_PRO, LIST_STD, Quote


def ask(
    duration: float,
    *,
    provider: Any = "novita",
    model: Any = "kling-v3-0-std",
    orientation: Any = "video",
    rates: RateCard | None = None,
) -> Quote:
    return quote(
        provider=provider,
        model_name=model,
        character_orientation=orientation,
        duration=duration,
        rates=rates or RateCard(),
    )


@pytest.mark.parametrize(
    ("duration", "model", "orientation", "seconds", "low", "high"),
    [
        (12.0, "kling-v3-0-std", "video", "12", "1.512", "1.512"),
        (12.0, "kling-v3-0-pro", "video", "12", "2.016", "2.016"),
        (4.12, "kling-v3-0-std", "video", "4.12", "0.504", "0.630"),
        (4.12, "kling-v3-0-pro", "image", "5", "0.840", "0.840"),
        (5.0, "kling-v3-0-std", "image", "5", "0.630", "0.630"),
        (7.5, "kling-v3-0-std", "image", "7.5", "0.630", "1.008"),
        (28.0, "kling-v3-0-std", "image", "10", "0.630", "1.260"),
        (30.03, "kling-v3-0-std", "video", "30", "3.780", "3.780"),
        (33.6, "kling-v3-0-std", "video", "30", "3.780", "3.780"),
        (8.000000001, "kling-v3-0-std", "video", "8", "1.008", "1.008"),
        (5.333333333, "kling-v3-0-std", "video", "5.333", "0.630", "0.756"),
    ],
)
def test_seconds_times_rate(
    duration: float, model: str, orientation: str, seconds: str, low: str, high: str
) -> None:
    found = ask(duration, model=model, orientation=orientation)
    assert (str(found.seconds), found.low.amount, found.high.amount) == (
        seconds,
        Decimal(low),
        Decimal(high),
    )
    assert found.rate.amount == Decimal("0.168" if model.endswith("pro") else "0.126")
    assert not found.free


def test_an_estimate_says_what_it_stands_on_and_what_is_not_known() -> None:
    found = ask(4.12)
    assert str(found) == "about 0.50 to 0.63 USD"
    assert "list price" in found.basis
    assert "estimate" in found.basis
    assert "4.12 s" in found.basis
    told = " ".join(found.unknown)
    for unknown in ("price", "rounds", "failed task", "shorter"):
        assert unknown in told
    assert "shorter" not in " ".join(ask(4.12, orientation="image").unknown)


def test_image_orientation_of_a_longer_clip_is_a_range_that_says_why() -> None:
    found = ask(12.0, orientation="image")
    assert str(found) == "about 0.63 to 1.26 USD"
    assert "5 to 10 s" in found.basis
    assert "A clip of 5 s costs the same by both" in " ".join(found.unknown)
    assert for_part(found, 5.0, "image").amount == "0.63 USD"
    assert for_part(found, 3.5, "image").amount == "0.63 USD", "no less than 5 s"
    assert for_part(ask(12.0), 6.4, "video").amount == "0.76 to 0.88 USD"


@pytest.mark.parametrize("orientation", ["image", "video"])
def test_a_local_draft_is_free(orientation: str) -> None:
    found = ask(7.5, provider="local", orientation=orientation)
    assert found.free
    assert found.unknown == ()
    assert str(found) == "free (a local draft)"


def test_ones_own_rates() -> None:
    own = RateCard(std=Decimal("0.9"), pro=Decimal("1.2"), currency="CNY")
    found = ask(10.0, rates=own)
    assert str(found) == "about 9.00 CNY"
    assert "you set" in found.basis
    assert "list price" in ask(10.0, rates=RateCard(std=Decimal("0.1260"))).basis
    assert RateCard(source="the contract of May").source == "the contract of May"


def test_a_rate_of_nothing_is_no_draft() -> None:
    found = ask(10.0, rates=RateCard(std=Decimal(0)))
    assert found.free
    assert "draft" not in str(found) + words.span(found)
    assert "a rate that you set" in words.span(found)
    assert words.span(ask(10.0, provider="local")) == "A local draft costs nothing."


def test_the_readme_names_the_rates() -> None:
    readme = Path(__file__).resolve().parents[2].joinpath("README.md").read_text("utf-8")
    assert f"{LIST_STD} USD (std) and {LIST_PRO} USD (pro)" in readme
    assert tuple(Settings.model_fields[name].default for name in ("rate_std", "rate_pro")) == (
        RateCard().std,
        RateCard().pro,
    )


@pytest.mark.parametrize("rate", ["-0.1", "NaN", "Infinity"])
def test_no_price(rate: str) -> None:
    with pytest.raises(SettingError) as caught:
        RateCard(std=Decimal(rate))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("orientation", "duration", "provider", "seconds"),
    [
        ("image", 3.0, "novita", 5.0),
        ("image", 9.0, "novita", 5.0),
        ("image", 3.0, "local", 3.0),
        ("image", 9.0, "local", 5.0),
        ("video", 9.25, "novita", 9.25),
        ("video", 9.25, "local", 9.25),
        ("video", 30.04, "novita", 30.0),
    ],
)
def test_length_of_the_result(
    orientation: Any, duration: float, provider: Any, seconds: float
) -> None:
    assert expected_seconds(orientation, duration, provider=provider) == seconds
    assert provider == "local" or expected_seconds(orientation, duration) == seconds


@given(
    duration=st.floats(0.01, 60),
    orientation=st.sampled_from(["image", "video"]),
    model=st.sampled_from(["kling-v3-0-std", "kling-v3-0-pro"]),
)
def test_the_measured_seconds_lie_between_low_and_high(
    duration: float, orientation: str, model: str
) -> None:
    found = ask(duration, orientation=orientation, model=model)
    assert found.low.amount <= found.seconds * found.rate.amount <= found.high.amount
    if orientation == "video":
        assert found.high.amount - found.low.amount in (0, found.rate.amount)
    else:
        assert found.low.amount == 5 * found.rate.amount
        assert found.high.amount <= 10 * found.rate.amount
    assert found.high.amount <= 30 * found.rate.amount
