"""Time from packets, on tables made by hand."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_utils.media.ffmpeg_output import Table, Timing, TooManyPackets, Track
from kling_utils.media.ffmpeg_output import timing as timing_of

NO_TIME = -(2**63)


def read(text: bytes, most: int = 1000) -> Track:
    made = Table(most=most)
    for at in range(0, len(text), 7):  # wherever a block ends
        made.feed(text[at : at + 7])
    made.feed(b"\n")
    return made.track(0)


def timing(text: bytes, header_rate: float = 0.0) -> Timing | None:
    return timing_of(read(text, 10_000), header_rate)


def table(tick: str, *packets: tuple[int, int, int] | tuple[int, int, int, int]) -> bytes:
    lines = ["#software: Lavf", f"#tb 0: {tick}", "#media_type 0: video", "#sar 0: 0/1"]
    for dts, pts, length, *flags in packets:
        mark = f", F=0x{flags[0]:X}" if flags else ""
        lines.append(f"0, {dts:10}, {pts:10}, {length:8},     1000, 0x30fbe62c{mark}")
    return "\n".join(lines).encode()


def test_nothing_in_it() -> None:
    assert timing(b"") is None
    assert timing(table("1/25")) is None
    assert timing(table("1/25", (0, 0, 1, 4))) is None


def test_order_of_decoding_is_not_the_order_of_showing() -> None:
    found = timing(table("1/25", (-2, 0, 1), (-1, 3, 1, 0), (0, 1, 1, 0), (1, 2, 1, 0)))
    assert found is not None
    assert (found.duration, found.frames, found.rate, found.variable) == (
        Fraction(4, 25),
        4,
        25,
        False,
    )


def test_the_last_frame_counts_as_long_as_it_is_held() -> None:
    found = timing(table("1/100", (0, 0, 4), (4, 4, 4), (8, 8, 292)))
    assert found is not None
    assert found.duration == 3


def test_a_last_frame_without_a_length_is_held_as_long_as_the_others() -> None:
    found = timing(table("1/100", (0, 0, 4), (4, 4, 4), (8, 8, 0)))
    assert found is not None
    assert found.duration == Fraction(12, 100)


@pytest.mark.parametrize(("header", "seconds"), [(25.0, Fraction(1, 25)), (0.0, Fraction(0))])
def test_a_single_frame_without_a_length(header: float, seconds: Fraction) -> None:
    found = timing(table("1/1000", (0, 0, 0)), header)
    assert found is not None
    assert (found.duration, found.frames) == (seconds, 1)


def test_without_times_of_showing_those_of_decoding_count() -> None:
    found = timing(table("1/16", (0, NO_TIME, 1), (1, NO_TIME, 1), (2, 2, 1)))
    assert found is not None
    assert (found.duration, found.rate, found.variable) == (Fraction(3, 16), 16, False)


def test_a_missing_frame_is_a_varying_rate_even_on_a_coarse_clock() -> None:
    found = timing(table("1/25", (0, 0, 1), (1, 1, 1), (3, 3, 1), (4, 4, 1)))
    assert found is not None
    assert found.variable


@given(
    rate=st.sampled_from(
        [Fraction(n) for n in (12, 15, 24, 25, 30, 50, 60, 120)]
        + [Fraction(n * 1000, 1001) for n in (24, 30, 60, 120)]
    ),
    tick=st.sampled_from([1000, 90_000, 15_360, 30_000, 1_000_000]),
    frames=st.integers(120, 2000),
    start=st.integers(-5000, 5000),
)
def test_rounding_to_the_files_clock_does_not_make_a_rate_vary(
    rate: Fraction, tick: int, frames: int, start: int
) -> None:
    times = [start + round(n / rate * tick) for n in range(frames + 1)]
    packets = [(a, a, b - a) for a, b in pairwise(times)]
    found = timing(table(f"1/{tick}", *packets))
    assert found is not None
    assert not found.variable
    assert found.frames == frames
    assert abs(found.duration - frames / rate) <= Fraction(1, tick)
    if (
        frames / rate > 3 or tick >= 15_000
    ):  # a shorter clip on a coarse clock cannot tell 29.97 from 30
        assert found.rate == rate


@pytest.mark.parametrize("offset", [0, 7, 333])
@pytest.mark.parametrize("frames", [60, 90, 150])
@pytest.mark.parametrize(
    ("rate", "header"), [(60, 60.0), (60, 0.0), (Fraction(60000, 1001), 59.94)]
)
def test_sixty_pictures_a_second_on_a_clock_of_milliseconds(
    rate: Fraction, header: float, frames: int, offset: int
) -> None:
    times = [round(Fraction(offset, 1000) + n / Fraction(rate) * 1000) for n in range(frames + 1)]
    packets = [(a, a, b - a) for a, b in pairwise(times)]
    found = timing(table("1/1000", *packets), header)
    assert found is not None
    assert (found.rate, found.variable) == (rate, False)


def test_what_the_table_tells_of_a_track() -> None:
    text = (
        b"#tb 0: 1/25\n#codec_id 0: h264\n#dimensions 0: 640x480\n#sar 0: 4/3\n"
        b"0, 0, 0, 1, 9, 0x12345678\n"
        b"0, 1, 1, 1, 9, 0x00000000, F=0x0\n"
        b"0, 2, 2, 1, 9, 0x12345678, F=0x0, S=1, Encryption info, 56, 0x4f770e4a\n"
    )
    track = read(text)
    assert (track.codec, track.pixel_aspect) == ("h264", Fraction(4, 3))
    assert (len(track), list(track.keys), track.zeros, track.encrypted) == (3, [1, 0, 0], 1, True)


def test_one_picture_that_is_held_for_hours_has_a_rate() -> None:
    found = timing(table("1/25", (0, 0, 25 * 7200)))
    assert found is not None
    assert (found.duration, found.rate) == (7200, Fraction(1, 7200))


def test_more_packets_than_are_read() -> None:
    text = table("1/25", *((n, n, 1) for n in range(20)))
    assert len(read(text, most=20)) == 20
    with pytest.raises(TooManyPackets):
        read(text, most=19)


def test_lines_that_are_no_packets_are_passed_over() -> None:
    text = b"#tb x: 1/25\n#tb 0: 1/0\n#dimensions 0: x\n#\nhello\n0, 1\n" + table("1/25", (0, 0, 1))
    assert len(read(text)) == 1
