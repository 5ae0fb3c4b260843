"""Fit: says before what it does after, makes files legal, keeps its promises about size, sync, originals and what is left behind."""

from __future__ import annotations

import io
import re
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import fit_checks, fit_zoo, zoo
from helpers.infos import image_info, video_info
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kling_utils.errors import (
    FfmpegFailed,
    Interrupted,
    InvalidRequest,
    UnreadableMedia,
    Unrepairable,
)
from kling_utils.media.encode import thumbnails
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.preflight import plan as planning
from kling_utils.preflight.check import check, check_image, check_video
from kling_utils.preflight.limits import limit
from kling_utils.preflight.plan import FitChoices, Impossible, plan_file, plan_fit
from kling_utils.preflight.repair import fit, fit_file
from kling_utils.review.compare import compare
from kling_utils.values import MotionRequest, Report, Size, VideoInfo

FAST_IMAGES = (
    "heic",
    "cmyk",
    "16-bit grey",
    "see-through",
    "turned 6",
    "small",
    "wide",
    "tall",
    "webp, see-through, wide",
    "gif, tall",
)
FAST_CLIPS = [
    kind for kind in fit_zoo.FAST_CLIPS if kind not in ("mov", "silent")
]  # fine as it is; and nothing to be in sync


def codes(steps: object) -> list[str]:
    return [step.code for step in steps]  # type: ignore[attr-defined]


# -- pictures that are advised about -----------------------------------------------------------------


def test_broken_tags_are_left_out_of_the_saved_picture(tmp_path: Path) -> None:
    whole = zoo.image(tmp_path, "whole.jpg", kind="JPEG").read_bytes()
    broken = b"\xff\xe1" + (10).to_bytes(2) + b"Exif\0\0??"
    path = zoo.written(tmp_path, "photo.jpg", whole[:2] + broken + whole[2:])
    plan = plan_file(path)
    assert plan.image is not None
    assert codes(plan.image.steps) == ["image.untagged", "image.save"]
    made = fit(plan, tmp_path / "out").image
    assert made is not None
    assert not probe_image(made).broken_tags
    assert not plan_file(made).needed


def test_wide_colours_become_srgb(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    profile = zoo.icc_profile("Display P3", zoo.DISPLAY_P3)
    Image.new("RGB", (400, 600), (200, 100, 50)).save(path, icc_profile=profile)
    plan = plan_file(path)
    assert plan.image is not None
    assert codes(plan.image.steps) == ["image.srgb", "image.save"]
    assert "Display P3" in plan.image.steps[0].text
    made = fit(plan, tmp_path / "out").image
    assert made is not None
    assert probe_image(made).profile == ""
    with Image.open(made) as opened:
        assert "icc_profile" not in opened.info
        assert opened.getpixel((9, 9)) == pytest.approx((216, 93, 24), abs=2)
    assert not plan_file(made).needed


# -- the zoo, a part of it -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAST_IMAGES)
def test_a_picture_is_legal_afterwards(tmp_path: Path, kind: str) -> None:
    source = fit_zoo.IMAGES[kind](tmp_path)
    before, plan = source.read_bytes(), plan_file(source)
    fitted = fit(plan, tmp_path / "out")
    assert fitted.image is not None
    assert fit_checks.wrong(fitted.image) == []
    assert fitted.done == plan.steps
    assert source.read_bytes() == before


@pytest.mark.parametrize("kind", FAST_CLIPS)
def test_a_clip_is_legal_and_in_sync_afterwards(tmp_path: Path, kind: str) -> None:
    source = fit_zoo.CLIPS[kind](tmp_path)
    before, plan = source.read_bytes(), plan_file(source)
    shares: list[float] = []
    fitted = fit(plan, tmp_path / "out", on_progress=lambda share, what: shares.append(share))
    assert fitted.video is not None
    assert fit_checks.wrong(fitted.video) == []
    assert fit_checks.shift(fitted.video) <= fit_checks.IN_SYNC
    assert fitted.done == plan.steps
    assert source.read_bytes() == before
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert [each.name for each in (tmp_path / "out").iterdir()] == [fitted.video.name]


@pytest.mark.parametrize(
    "name", ["anime_girl.png", "standing_woman.jpg", "render_boy_portrait.jpg"]
)
def test_what_is_legal_stays_as_it_is(shared_media: Path, tmp_path: Path, name: str) -> None:
    plan = plan_file(shared_media / "image" / name)
    assert (plan.needed, str(plan)) == (False, planning.NOTHING)
    fitted = fit(plan, tmp_path / "out")
    assert (fitted.image, fitted.video, fitted.done) == (None, None, ())
    assert not (tmp_path / "out").exists()


def test_a_legal_clip_stays_as_it_is(shared_media: Path) -> None:
    assert not plan_file(shared_media / "video" / "dance_woman_4s.mp4").needed


# -- pictures ------------------------------------------------------------------------------------------------------------------------


def test_colours_metadata_and_orientation(tmp_path: Path) -> None:
    """A red square at the left of a picture that is held sideways, with a profile in which red is another number."""
    profile = fit_zoo.ImageCms.ImageCmsProfile(fit_zoo.ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0132] = 6, "a camera", "2020:01:01 00:00:00"
    picture = Image.new("RGB", (600, 400), "blue")
    picture.paste("red", (0, 0, 300, 400))
    source = fit_zoo.saved(
        picture, tmp_path / "a.jpg", exif=exif, icc_profile=profile, comment=b"secret", quality=95
    )
    fitted = fit(plan_file(source), tmp_path)
    assert fitted.image is not None
    with Image.open(fitted.image) as made:
        assert made.size == (400, 600)
        top, bottom = made.getpixel((200, 100)), made.getpixel((200, 500))
        assert not {"exif", "icc_profile", "comment"} & made.info.keys()
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]
    assert b"camera" not in fitted.image.read_bytes()


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    source = fit_zoo.saved(
        Image.fromarray(np.full((400, 400), 32_768, np.uint16)), tmp_path / "a.png"
    )
    fitted = fit(plan_file(source), tmp_path)
    assert fitted.image is not None
    with Image.open(fitted.image) as made:
        assert made.getpixel((5, 5)) == pytest.approx((128, 128, 128), abs=1)


def test_what_is_see_through_shows_the_chosen_colour(tmp_path: Path) -> None:
    source = fit_zoo.IMAGES["see-through"](tmp_path)
    fitted = fit(plan_file(source, choices=FitChoices(behind="#00ff00")), tmp_path)
    assert fitted.image is not None
    with Image.open(fitted.image) as made:
        assert (made.format, made.getpixel((3, 3))) == ("PNG", (0, 255, 0))


@pytest.mark.parametrize("kind", ["heavy png", "heavy jpeg"])
def test_a_heavy_picture_fills_its_size(tmp_path: Path, kind: str) -> None:
    source = fit_zoo.IMAGES[kind](tmp_path)
    assert source.stat().st_size > 10_000_000
    fitted = fit(plan_file(source), tmp_path)
    assert fitted.image is not None
    assert 9_200_000 <= fitted.image.stat().st_size <= 10_000_000


def test_ground_is_added_around_or_the_rest_is_cut(shared_media: Path, tmp_path: Path) -> None:
    with Image.open(shared_media / "image" / "standing_woman.jpg") as woman:
        wide = Image.new("RGB", (2400, 600), "gray")
        wide.paste(woman.resize((338, 600)), (1700, 0))
    source = fit_zoo.saved(wide, tmp_path / "wide.jpg")
    padded = plan_file(source)
    assert codes(padded.steps)[0] == "image.pad"
    assert padded.image is not None
    assert padded.image.size == Size(2400, 960)
    cropped = plan_file(source, choices=FitChoices(shape="crop"))
    assert cropped.image is not None
    assert cropped.image.crop is not None
    left, _, right, _ = cropped.image.crop
    assert left <= 1700
    assert right >= 2038
    assert fit_checks.wrong(fit(cropped, tmp_path).image or source) == []


def test_a_chosen_part_is_kept_to_the_pixel_and_repaired_in_the_same_step(tmp_path: Path) -> None:
    drawn = Image.new("RGB", (1600, 1000), "red")
    drawn.paste("blue", (200, 100, 700, 900))
    source = fit_zoo.saved(drawn, tmp_path / "a.webp", lossless=True)
    plan = plan_file(source, choices=FitChoices(crop=(200, 100, 700, 900)))
    assert codes(plan.steps) == ["image.format", "image.part", "image.save"]
    assert "1600x1000 becomes 500x800" in str(plan)
    made = fit(plan, tmp_path).image
    assert made is not None
    with Image.open(made) as picture:
        assert picture.size == (500, 800)
        assert picture.getcolors() == [(400_000, (0, 0, 254))], "the part, and nothing else"
    with Image.open(source) as original:
        assert original.size == (1600, 1000)

    legal = fit_zoo.saved(drawn, tmp_path / "b.png")
    assert not plan_file(legal, choices=FitChoices(crop=(0, 0, 1600, 1000))).needed
    for part, more in (((0, 0, 1600, 400), "image.pad"), ((0, 0, 200, 310), "image.enlarge")):
        plan = plan_file(legal, choices=FitChoices(crop=part))
        assert codes(plan.steps) == ["image.part", more, "image.save"]
        assert fit_checks.wrong(fit(plan, tmp_path).image or legal) == []
    wide = fit_zoo.saved(drawn.resize((3000, 600)), tmp_path / "wide.png")
    assert "image.pad" in codes(plan_file(wide).steps)
    assert codes(plan_file(wide, choices=FitChoices(crop=(9, 0, 809, 600))).steps) == [
        "image.part",
        "image.save",
    ], "a part of a legal shape needs no ground"


def test_a_picture_at_an_address_is_cropped_although_it_is_legal(tmp_path: Path) -> None:
    source = fit_zoo.saved(Image.new("RGB", (1600, 1000)), tmp_path / "a.png")
    report, there = plan_file(source).report, "https://a.example/a.png"
    assert report is not None
    for part, changed in ((None, ()), ((0, 0, 900, 900), ("image",))):
        choices = FitChoices(crop=part)
        kept = planning.left_in_place(choices, report, image=there, video="https://a.example/b.mp4")
        assert kept.fields == changed


@pytest.mark.parametrize("part", [(0, 0, 1601, 9), (-1, 0, 9, 9), (9, 0, 9, 9), (0, 9, 9, 8)])
def test_a_part_outside_the_picture_is_refused(tmp_path: Path, part: Any) -> None:
    source = fit_zoo.saved(Image.new("RGB", (1600, 1000)), tmp_path / "a.png")
    with pytest.raises(InvalidRequest, match="part"):
        plan_file(source, choices=FitChoices(crop=part))


def test_without_a_person_nothing_is_cut(tmp_path: Path) -> None:
    source = fit_zoo.saved(fit_zoo.drawing((1600, 400)), tmp_path / "a.jpg")
    assert "image.pad" in codes(plan_file(source, choices=FitChoices(shape="crop")).steps)


@pytest.mark.parametrize("shape", ["pad", "crop"])
@pytest.mark.parametrize("size", [(60_000, 1), (2, 60_000), (20_000, 40)])
def test_ground_around_a_line_does_not_make_it_huge(
    tmp_path: Path, size: tuple[int, int], shape: Any
) -> None:
    source = fit_zoo.saved(Image.new("RGB", size, "red"), tmp_path / "line.png")
    plan = plan_file(source, choices=FitChoices(ground="blue", shape=shape))
    assert plan.image is not None
    assert plan.image.padded is not None
    assert max(plan.image.padded) == 8192
    if shape == "crop":
        return
    assert codes(plan.steps)[:2] == ["image.reduce", "image.pad"]
    made = fit(plan, tmp_path).image
    assert made is not None
    assert fit_checks.wrong(made) == []
    with Image.open(made) as picture:
        middle = (picture.width // 2, picture.height // 2)
        assert (picture.getpixel((0, 0)), picture.getpixel(middle)) == ((0, 0, 255), (255, 0, 0))


@given(st.integers(20, 60_000), st.integers(20, 60_000))
def test_any_size_of_picture_has_a_legal_plan(width: int, height: int) -> None:
    info = image_info(size=Size(width, height))
    plan = planning.plan_image(info, check_image(info), FitChoices())
    size = plan.size if plan else info.size
    low, high = limit("image.aspect").low, limit("image.aspect").high
    assert min(size) >= 340
    assert low is not None
    assert high is not None
    assert low <= size.aspect <= high


# -- clips ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3.2, pytest.param(9.0, marks=pytest.mark.matrix)])
def test_a_heavy_clip_fills_its_size(tmp_path: Path, seconds: float) -> None:
    source = fit_zoo.heavy(tmp_path, seconds=seconds, size="360x480", grain=60)
    plan = plan_file(source)
    assert plan.video is not None
    assert plan.video.fill
    fitted = fit(plan, tmp_path / "out")
    assert fitted.video is not None
    assert 9_200_000 <= fitted.video.stat().st_size <= 10_000_000
    info = fitted.report.video
    assert info is not None
    assert info.duration == pytest.approx(seconds, abs=0.001)
    assert (info.frames, info.size) == (round(seconds * 30), plan.video.recipe.size)
    assert fit_checks.wrong(fitted.video) == []
    assert fit_checks.shift(fitted.video) <= fit_checks.IN_SYNC


@pytest.mark.parametrize(
    "preset", ["ultrafast", "veryfast"]
)  # without pictures that lean on later ones, and with
def test_a_cut_at_a_key_picture_keeps_the_packets(tmp_path: Path, preset: str) -> None:
    source = fit_zoo.clip(
        tmp_path,
        seconds=34,
        rate="12",
        video=("libx264", "-preset", preset),
        after=("-g", "24", "-sc_threshold", "0"),
    )
    at_key = plan_file(source, choices=FitChoices(start=2.0))
    assert at_key.video is not None
    assert at_key.video.way == "copy"
    fitted = fit(at_key, tmp_path / "out")
    info = fitted.report.video
    assert info is not None
    assert 29.5 <= info.duration <= 30
    assert fit_checks.shift(info.path) <= fit_checks.IN_SYNC
    between = plan_file(source, choices=FitChoices(start=2.5))
    assert between.video is not None
    assert between.video.way == "encode"


@pytest.mark.parametrize(
    "rate",
    ["24", "30000/1001", *(pytest.param(r, marks=pytest.mark.matrix) for r in ("25", "30", "60"))],
)
def test_a_chosen_length_is_kept_to_the_picture(tmp_path: Path, rate: str) -> None:
    """Also at a key picture, and where the pictures, which lean on later ones, cannot be parted at that length without encoding."""
    gop = round(Fraction(rate))
    source = fit_zoo.clip(
        tmp_path,
        seconds=9,
        size="360x360",
        rate=rate,
        video=("libx264", "-preset", "veryfast"),
        after=("-g", str(gop)),
    )
    key = float(gop / Fraction(rate))
    for start, length in ((key, 5.01), (key, 5.08), (key, 5.12), (1.2345, 3.3337), (0.0, 7.77)):
        info = fit(
            plan_file(source, choices=FitChoices(start=start, length=length)), tmp_path / "out"
        ).report.video
        assert info is not None
        assert 0 <= length - info.duration + 1e-6 <= 1 / info.frame_rate, (start, length)
        assert fit_checks.shift(info.path) <= fit_checks.IN_SYNC


def test_a_clip_that_is_too_long_stays_as_it_is_and_loses_little(tmp_path: Path) -> None:
    source = fit_zoo.clip(
        tmp_path,
        seconds=31,
        size="360x360",
        rate="30000/1001",
        video=("libx264", "-preset", "veryfast"),
    )
    plan = plan_file(source)
    assert plan.video is not None
    assert plan.video.way == "copy"
    info = fit(plan, tmp_path / "out").report.video
    assert info is not None
    assert 29.75 <= info.duration <= 30


def test_the_in_point_is_where_it_was_chosen(tmp_path: Path) -> None:
    """The flash that was 2.5 s into the clip is 1.3 s into what was cut out from 1.2 s on."""
    source = fit_zoo.clip(tmp_path, seconds=6, rate="30", after=("-g", "300"))
    plan = plan_file(source, choices=FitChoices(start=1.2, length=3.5))
    assert codes(plan.steps) == ["video.trim", "video.encode"]
    fitted = fit(plan, tmp_path / "out")
    info = fitted.report.video
    assert info is not None
    assert info.duration == pytest.approx(3.5, abs=0.01)
    assert fit_checks._flashes(info.path)[0] == pytest.approx(0.3, abs=0.04)
    assert fit_checks.shift(info.path) <= fit_checks.IN_SYNC


@pytest.mark.parametrize(
    "tags",
    [
        "transfer=smpte2084:colormatrix=bt2020nc",
        "transfer=arib-std-b67",
        "colorprim=bt2020:colormatrix=bt2020nc",
    ],
)
def test_what_does_not_say_all_about_its_colours_is_fitted_and_compared(
    tmp_path: Path, tags: str
) -> None:
    video = (*fit_zoo.X265[:4], f"log-level=error:{tags}", "-tag:v", "hvc1")
    source = fit_zoo.clip(tmp_path, video=video, pixels="yuv420p10le")
    fitted = fit(plan_file(source), tmp_path / "out")
    assert fitted.video is not None
    assert fit_checks.wrong(fitted.video) == []
    assert compare(source, fitted.video, tmp_path / "both.png").exists()
    assert thumbnails(source, 2)


def test_a_short_clip_is_refused_or_slowed_when_asked(tmp_path: Path) -> None:
    source = fit_zoo.clip(tmp_path, seconds=2.6)
    plan = plan_file(source)
    assert [each.code for each in plan.impossible] == ["video.duration"]
    assert isinstance(plan.answer("video.duration"), Impossible)
    assert "2.6 s" in str(plan)
    with pytest.raises(Unrepairable, match=r"2\.6 s"):
        fit(plan, tmp_path / "out")
    slowed = plan_file(source, choices=FitChoices(slow=True))
    assert "video.slow" in codes(slowed.steps)
    fitted = fit(slowed, tmp_path / "out")
    assert fitted.video is not None
    assert fit_checks.wrong(fitted.video) == []
    assert fit_checks.shift(fitted.video) <= fit_checks.IN_SYNC
    much_too_short = plan_file(
        fit_zoo.clip(tmp_path, "b.mp4", seconds=1.2), choices=FitChoices(slow=True)
    )
    assert much_too_short.impossible


@given(st.integers(20, 8000), st.integers(20, 8000))
def test_any_size_of_clip_has_a_legal_size_or_a_reason(width: int, height: int) -> None:
    info = video_info(size=Size(width, height))
    size = planning._size(info, FitChoices())
    if isinstance(size, Impossible):
        assert str(width) in size.reason
        return
    bounded = planning._bounded(size, FitChoices())
    assert bounded.width % 2 == bounded.height % 2 == 0
    found = {f.code: f.severity for f in check_video(video_info(size=bounded), "video")}
    assert found["video.side"] == "pass"


@pytest.mark.parametrize(
    ("rate", "usual", "expected"),
    [
        (Fraction(120), 0, Fraction(60)),
        (Fraction(240000, 1001), 0, Fraction(60000, 1001)),
        (Fraction(90), 0, Fraction(45)),
        (Fraction(25), 0, Fraction(25)),
    ],
)
def test_too_many_pictures_a_second_are_divided(
    rate: Fraction, usual: float, expected: Fraction
) -> None:
    assert planning._rate(video_info(frame_rate=rate), None) == expected  # type: ignore[arg-type]


# -- plans and promises --------------------------------------------------------------------------------------------------------------


def test_a_plan_for_both_files_answers_each_row(tmp_path: Path) -> None:
    request = MotionRequest(
        fit_zoo.IMAGES["webp, see-through, wide"](tmp_path), fit_zoo.CLIPS["mkv, opus"](tmp_path)
    )
    report = check(request, probe_image(Path(request.image)), probe_video(Path(request.video)))
    assert not report.ok
    plan = plan_fit(report)
    assert plan.required
    for finding in report.errors:
        assert plan.answer(finding.code) is not None, finding
    fitted = fit(plan, tmp_path / "out")
    assert fitted.report.ok
    assert fitted.report.image is not None
    again = fitted.apply(request)
    assert (again.image, again.video, again.prompt) == (fitted.image, fitted.video, request.prompt)
    only = plan_fit(report, choices=FitChoices(fields=("image",)))
    assert (only.image is not None, only.video) == (True, None)


def test_only_what_would_be_refused(tmp_path: Path) -> None:
    assert not plan_file(fit_zoo.CLIPS["hevc"](tmp_path), choices=FitChoices(careful=False)).needed


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "a.mp4"
    broken.write_bytes(b"hello")
    with pytest.raises(UnreadableMedia) as caught:
        probe_video(broken)
    plan = plan_fit(Report(check_video(caught.value, "video")))
    assert plan.impossible[0].field == "video"
    assert plan.impossible[0].hint


def test_every_step_and_reason_has_words() -> None:
    for what, cost in planning.STEPS.values():
        assert re.match(r"(\w+ed|Brought|Cut|Given|Made|Put|Tone-mapped)\b", what), (
            "a participle, as it is also told ahead"
        )
        assert not what.endswith(".")
        assert not cost.endswith(".")


def test_names_never_collide_and_the_original_is_safe(tmp_path: Path) -> None:
    source = fit_zoo.IMAGES["webp"](tmp_path)
    first, second = (fit(plan_file(source), tmp_path).image for _ in range(2))
    assert first is not None
    assert second is not None
    assert first != second
    with pytest.raises(InvalidRequest, match="original"):
        fit_file(plan_file(source), source)
    with pytest.raises(InvalidRequest, match="does not end"):
        fit_file(plan_file(source), tmp_path / "b.gif")
    assert fit_file(plan_file(source), tmp_path / "b.jpg").image == tmp_path / "b.jpg"


def test_a_file_that_changed_since_is_not_touched(tmp_path: Path) -> None:
    source = fit_zoo.IMAGES["webp"](tmp_path)
    plan = plan_file(source)
    fit_zoo.saved(fit_zoo.drawing((500, 500)), source)
    with pytest.raises(UnreadableMedia, match="changed"):
        fit(plan, tmp_path / "out")


@pytest.mark.parametrize("after", [0, 2, 6])
def test_a_stop_leaves_nothing(tmp_path: Path, after: int) -> None:
    source = fit_zoo.heavy(tmp_path, seconds=3.2, size="360x480", grain=60)
    plan, asked = plan_file(source), iter(range(1000))
    out = tmp_path / "out"
    with pytest.raises(Interrupted):
        fit(plan, out, stop=lambda: next(asked) >= after)
    assert not out.exists() or list(out.iterdir()) == []


def test_a_workshop_in_use_is_not_swept(tmp_path: Path) -> None:
    from kling_utils.media.files import temp_workdir

    with temp_workdir(tmp_path, "a") as work:
        (work / "half").write_bytes(b"1")
        assert fit(plan_file(fit_zoo.IMAGES["webp"](tmp_path)), tmp_path).image is not None
        assert (work / "half").exists()
    assert not work.exists()


def test_a_clip_that_breaks_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    source = fit_zoo.clip(tmp_path, "a.mkv", video=fit_zoo.X265)
    plan = plan_file(source)
    data = bytearray(source.read_bytes())
    data[2000:] = b"\0" * (len(data) - 2000)
    source.write_bytes(data)
    with pytest.raises((FfmpegFailed, UnreadableMedia)):
        fit(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_thumbnails_show_the_clip_in_order(tmp_path: Path) -> None:
    fade = "fade=t=in:st=0:d=4"
    for gop in ("10", "999"):
        source = fit_zoo.clip(
            tmp_path, seconds=4, filters=f"drawbox=c=white:t=fill,{fade}", after=("-g", gop)
        )
        made = thumbnails(source, 5, height=60)
        light = [
            float(np.asarray(Image.open(io.BytesIO(each)).convert("L")).mean()) for each in made
        ]
        assert len(made) == 5
        assert light == sorted(light)
        assert light[0] < 40 < 150 < light[-1]
        assert Image.open(io.BytesIO(made[0])).height == 60


@pytest.mark.parametrize(
    "wrong",
    [{"start": -1}, {"length": 0}, {"ground": "bluish"}, {"behind": "blur"}, {"longest_side": 100}],
)
def test_choices_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        FitChoices(**wrong)  # type: ignore[arg-type]


def test_a_plan_is_quick(tmp_path: Path) -> None:
    source = fit_zoo.clip(tmp_path, video=fit_zoo.X265)
    info = probe_video(source)
    begun = time.process_time()
    assert plan_file(info).needed
    assert time.process_time() - begun < 1
    assert isinstance(info, VideoInfo)
