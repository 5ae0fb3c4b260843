"""Comparisons: what is in the file, for clips that have nothing in common."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from helpers import fit_zoo, zoo
from PIL import Image

from kling_utils.errors import Interrupted, InvalidRequest, UnreadableMedia
from kling_utils.media.arrays import Frame
from kling_utils.media.encode import plays, starts_at_once
from kling_utils.media.probe import probe_video
from kling_utils.preflight.plan import plan_file
from kling_utils.preflight.repair import fit
from kling_utils.review import sound
from kling_utils.review.board import GROUND
from kling_utils.review.compare import compare, poster
from kling_utils.values import Layout, Size

STATIC = "color={c}:s={{s}}:r={{r}}:d={{d}}"


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_a_bright_clip_looks_as_it_does_when_it_is_fitted(
    make, look, tmp_path: Path, transfer: str
) -> None:  # type: ignore[no-untyped-def]
    """One colour in PQ and in HLG, which would be duller as it is."""
    patch = "drawbox=c=0x806048:t=fill"
    bright = fit_zoo.hdr(tmp_path, transfer, filters=patch, sound=None, seconds=3)
    fitted = fit(plan_file(bright), tmp_path / "out").video
    assert fitted is not None
    wanted = look(fitted)[200:280, 140:220].mean((0, 1))
    plain = make("beside_bright", size="360x480", rate=30, seconds=1, sound=None)
    for ending in (".mp4", ".png", ".jpg", ".webp"):
        made = compare(bright, plain, tmp_path / f"made{ending}", labels=("", ""))
        picture = look(made) if ending == ".mp4" else np.asarray(Image.open(made).convert("RGB"))
        height, width = picture.shape[:2]
        seen = picture[height // 2 - 40 : height // 2 + 40, width // 4 - 40 : width // 4 + 40].mean(
            (0, 1)
        )
        assert seen == pytest.approx(wanted, abs=4), ending
    seen = np.asarray(Image.open(poster(bright, tmp_path / "poster.png")))[200:280, 140:220].mean(
        (0, 1)
    )
    assert seen == pytest.approx(wanted, abs=4)


def bright_box(frame: Frame) -> tuple[int, int]:
    """Width and height of what is nearly white."""
    rows, columns = np.nonzero(frame.min(2) > 200)
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


@pytest.mark.parametrize("layout", ["side", "stack", "wipe"])
def test_film_of_different_sizes_and_rates(make, tmp_path: Path, layout: Layout) -> None:  # type: ignore[no-untyped-def]
    reference = make("land24", size="426x240", rate=24, seconds=2)
    result = make("port30", size="202x360", rate=30, seconds=1.5, sound=None)
    out = compare(reference, result, tmp_path / "a.mp4", layout=layout, sound="reference")
    info = probe_video(out)
    assert plays(info)
    assert starts_at_once(out)
    assert info.size.width % 2 == 0
    assert info.size.height % 2 == 0
    assert info.frame_rate == 30
    assert not info.variable_rate
    assert info.duration == pytest.approx(2.0, abs=0.04)
    assert info.audio_codec == "aac"


@pytest.mark.parametrize(
    "sizes", [("320x180", "180x320"), ("180x320", "320x180"), ("321x241", "200x200")]
)
@pytest.mark.parametrize("layout", ["side", "stack", "wipe"])
def test_circles_stay_circles(
    make, look, circle: str, tmp_path: Path, layout: Layout, sizes: tuple[str, str]
) -> None:  # type: ignore[no-untyped-def]
    even = ("-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2")
    clips = [
        make(
            f"disc{s}",
            size=s,
            seconds=0.4,
            source=circle,
            sound=None,
            extra=even if s == "321x241" else (),
        )
        for s in sizes
    ]
    out = compare(*clips, tmp_path / "a.mp4", layout=layout)
    frame = look(out)
    bar = max(22, round(max(probe_video(c).size.height for c in clips) * 0.062 / 2) * 2)
    picture = frame[bar:]
    if (
        layout == "wipe"
    ):  # three quarters into its sweep the line lies at the left edge, and the whole result is seen
        parts = [look(out, 0.3)[bar:, frame.shape[1] // 20 :]]
    elif layout == "side":
        cut = round((picture.shape[0]) * float(probe_video(clips[0]).size.aspect))
        parts = [picture[:, :cut], picture[:, cut:]]
    else:
        half = frame.shape[0] // 2
        parts = [frame[bar:half], frame[half + bar :]]
    for part in parts:
        width, height = bright_box(part)
        assert width > 40
        assert width / height == pytest.approx(1.0, abs=0.04)


def test_wipe_letterboxes_on_ground(make, look, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    reference = make("red", size="200x320", seconds=0.5, source=STATIC.format(c="red"), sound=None)
    result = make("white", size="320x180", seconds=0.5, source=STATIC.format(c="white"), sound=None)
    frame = look(compare(reference, result, tmp_path / "a.mp4", layout="wipe"))[22:]
    assert np.abs(frame[10, -10].astype(int) - GROUND).max() < 12  # above the letterboxed result
    assert frame[160, -10].min() > 220
    assert frame[160, 10, 0] > 220  # the reference fills its box
    assert frame[160, 10, 1] < 60


def test_wipe_sweeps_over_both(make, look, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    reference = make(
        "red4", size="200x200", rate=10, seconds=4, source=STATIC.format(c="red"), sound=None
    )
    result = make(
        "blue4", size="200x200", rate=10, seconds=4, source=STATIC.format(c="blue"), sound=None
    )
    out = compare(reference, result, tmp_path / "a.mp4", layout="wipe")
    share = [float((look(out, t)[30:, :, 0] > 128).mean()) for t in (0.0, 1.0, 2.0, 3.0)]
    assert share[0] == pytest.approx(0.5, abs=0.05)
    assert share[1] > 0.95
    assert share[2] == pytest.approx(0.5, abs=0.05)
    assert share[3] < 0.06


def test_the_shorter_holds_its_last_frame(make, look, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    reference = make("long", size="200x200", seconds=3, sound=None)
    result = make(
        "counts",
        size="200x200",
        seconds=1,
        source="color=black:s={s}:r={r}:d={d},geq=lum='16+N*8':cb=128:cr=128",
        sound=None,
    )
    out = compare(reference, result, tmp_path / "a.mp4")
    right = [float(look(out, t)[60:180, 240:380].mean()) for t in (0.5, 0.96, 2.9)]
    assert right[0] < right[1] - 60
    assert right[2] == pytest.approx(right[1], abs=3)  # neither black nor the first frame again
    assert not np.array_equal(
        look(out, 1.5)[60:, :200], look(out, 2.9)[60:, :200]
    )  # the longer goes on


@pytest.mark.parametrize(("chosen", "late"), [("reference", 0.0), ("result", 0.3)])
def test_sound_is_the_chosen_side_s_and_in_step(
    make, tmp_path: Path, chosen: str, late: float
) -> None:  # type: ignore[no-untyped-def]
    reference = make("ref-sound", seconds=6, size="160x120", rate=24)
    result = make(
        "res-sound", seconds=5, size="160x120", rate=30, extra=("-af", "adelay=300:all=1")
    )
    out = compare(reference, result, tmp_path / "a.mp4", sound=chosen)  # type: ignore[arg-type]
    found = sound.offset(
        sound.envelope(reference, seconds=6), sound.envelope(out, seconds=6), most=1
    )
    assert found is not None
    assert found.sure
    assert found.seconds == pytest.approx(late, abs=0.02)


@pytest.mark.parametrize("chosen", ["result", "none"])
def test_a_silent_side_gives_a_silent_file(make, tmp_path: Path, chosen: str) -> None:  # type: ignore[no-untyped-def]
    out = compare(make("sounding"), make("mute", sound=None), tmp_path / "a.mp4", sound=chosen)  # type: ignore[arg-type]
    assert probe_video(out).audio_codec is None


def test_sound_that_begins_late_stays_late(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A track whose first sample lies at 0.5 s of the file, as cut phone clips have it."""
    from kling_utils.media import ffmpeg

    plain, late = make("plain", seconds=4), tmp_path / "late.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(plain),
            "-itsoffset",
            "0.5",
            *ffmpeg.source(plain),
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-c",
            "copy",
            f"file:{late}",
        ],
        timeout=30,
    )
    out = compare(plain, late, tmp_path / "a.mp4")
    found = sound.offset(sound.envelope(plain, seconds=4), sound.envelope(out, seconds=4), most=1)
    assert found is not None
    assert found.seconds == pytest.approx(0.5, abs=0.03)


def test_triptych_of_real_media(shared_media: Path, look, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    video, image = (
        shared_media / "video" / "dance_woman_4s.mp4",
        shared_media / "image" / "painting_halfbody.jpg",
    )
    out = compare(
        video,
        shared_media / "video" / "dog_16fps.mp4",
        tmp_path / "a.jpg",
        layout="triptych",
        image=image,
        draft=True,
    )
    with Image.open(out) as picture, Image.open(image) as original:
        assert picture.width > 3 * 700
        panel = (
            picture.convert("RGB")
            .crop((0, picture.height - 1080, 606, picture.height))
            .resize((60, 107))
        )
        wanted = original.convert("RGB").resize((60, 107))
    assert (
        np.abs(np.asarray(panel, float) - np.asarray(wanted, float)).mean() < 6
    )  # the image is the leftmost picture, unstretched


def test_colours_are_those_of_the_clips(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The same colour tagged as BT.601, as BT.709, in full range: three files that players show alike are alike in the comparison."""
    pure = "color=0x20c040:s={s}:r={r}:d={d}"
    to709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
    to601 = ("-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m")
    one = make(
        "c709",
        source=pure,
        seconds=0.4,
        video_filter="scale=out_color_matrix=bt709",
        extra=to709,
        sound=None,
    )
    two = make(
        "c601",
        source=pure,
        seconds=0.4,
        video_filter="scale=out_color_matrix=bt601",
        extra=to601,
        sound=None,
    )
    untagged = make(
        "cnone",
        source=pure,
        seconds=0.4,
        video_filter="scale=out_color_matrix=bt601,setparams=colorspace=unknown",
        sound=None,
    )
    full = make(
        "cfull",
        source=pure,
        seconds=0.4,
        video_filter="scale=out_color_matrix=bt709:out_range=pc,format=yuvj420p",
        extra=to709,
        sound=None,
    )
    for other in (two, untagged, full):
        for ending in (".png", ".webp", ".gif", ".jpg"):
            with Image.open(compare(one, other, tmp_path / f"a{ending}")) as picture:
                rgb = np.asarray(picture.convert("RGB"), int)
            for at in (
                rgb.shape[1] // 4,
                rgb.shape[1] * 3 // 4,
            ):  # a wrong matrix is off by 20 and more
                assert np.abs(rgb[rgb.shape[0] // 2, at] - (0x20, 0xC0, 0x40)).max() <= 9, (
                    other.name,
                    ending,
                )


@pytest.mark.parametrize("ending", [".gif", ".webp"])
@pytest.mark.parametrize("most", [400_000, 60_000])
def test_animations_keep_to_the_size(make, tmp_path: Path, ending: str, most: int) -> None:  # type: ignore[no-untyped-def]
    told: list[float] = []
    out = compare(
        make("a25"),
        make("b30", rate=30, seconds=1.4),
        tmp_path / f"a{ending}",
        max_bytes=most,
        on_progress=told.append,
    )
    assert 0.3 * most < out.stat().st_size <= most or (
        most == 400_000 and out.stat().st_size <= most
    )
    with Image.open(out) as picture:
        frames, lasts = getattr(picture, "n_frames", 1), 0.0
        for n in range(frames):
            picture.seek(n)
            picture.load()
            lasts += picture.info["duration"] / 1000
        assert picture.info.get("loop") == 0
    assert frames >= 8
    assert lasts == pytest.approx(2.0, abs=0.25)
    assert told == sorted(set(told))
    assert told[-1] == 1.0


def test_a_film_keeps_to_the_size(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    free = compare(make("a25"), make("b30", rate=30, seconds=1.4), tmp_path / "free.mp4")
    most = free.stat().st_size // 3
    small = compare(
        make("a25"), make("b30", rate=30, seconds=1.4), tmp_path / "small.mp4", max_bytes=most
    )
    assert 0.4 * most < small.stat().st_size <= most
    assert plays(probe_video(small))


@pytest.mark.parametrize("ending", [".gif", ".webp", ".mp4", ".png", ".jpg"])
def test_what_cannot_fit_is_said_and_nothing_is_left(make, tmp_path: Path, ending: str) -> None:  # type: ignore[no-untyped-def]
    clip = make("tiny", seconds=0.4, size="128x128", rate=10)
    with pytest.raises(InvalidRequest, match=r"does not fit into 0\.1 kB"):
        compare(clip, clip, tmp_path / f"a{ending}", max_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_stop_leaves_no_file_and_keeps_the_old_one(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clip = make(
        "minute",
        size="640x480",
        seconds=20,
        rate=30,
        source="color=red:s={s}:r={r}:d={d}",
        sound=None,
    )
    told: list[float] = []
    old = tmp_path / "a.mp4"
    old.write_bytes(b"what was there before")
    with pytest.raises(Interrupted):
        compare(clip, clip, old, on_progress=told.append, stop=lambda: bool(told))
    assert old.read_bytes() == b"what was there before"
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert told
    assert told[-1] < 1
    with pytest.raises(Interrupted):
        compare(clip, clip, tmp_path / "never.gif", stop=lambda: True)
    assert os.listdir(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    "label",
    [
        "x'; drawtext=textfile=/etc/passwd,[v]",
        "a\nb\x00c\x1b[31m\u202eright to left",
        "%{pts}:{}\\'\"",
        "W" * 5000,
        "",
        "日本語 🙂 é",
        "\u0301" * 50,
    ],
)
def test_hostile_labels_are_only_text(make, tmp_path: Path, label: str) -> None:  # type: ignore[no-untyped-def]
    clip = make("tiny", seconds=0.4, size="128x128", rate=10)
    out = compare(clip, clip, tmp_path / "a.png", labels=(label, label), draft=True)
    with Image.open(out) as picture:
        assert Size(*picture.size).height == 128 + 22
        strip = np.asarray(picture.convert("RGB"), int)[:22]
    assert (np.abs(strip - GROUND).max(2) > 60).any()
    assert (
        np.abs(strip[:, -132:] - (255, 180, 84)).max(2) < 8
    ).sum() > 100  # the draft's chip is whatever the label says


def test_hostile_names_of_files(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clip = make("tiny", seconds=0.4, size="128x128", rate=10)
    for name in ("a%d b'[v];.png", "-y.mp4", "é 日.jpg"):
        assert compare(clip, clip, tmp_path / name) == tmp_path / name
    assert sorted(os.listdir(tmp_path)) == sorted(["a%d b'[v];.png", "-y.mp4", "é 日.jpg"])


def test_sheet_shows_twelve_pairs_with_the_end_held(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ramp = "color=black:s={s}:r={r}:d={d},geq=lum='16+N*3':cb=128:cr=128"
    reference = make("ramp", size="160x120", seconds=2.4, source=ramp, sound=None)
    result = make("half-ramp", size="160x120", seconds=1.2, source=ramp, sound=None)
    out = compare(reference, result, tmp_path / "a.png", layout="sheet")
    from kling_utils.review import graph

    grid = graph.cells(Size(160, 120), Size(160, 120))
    with Image.open(out) as picture:
        assert picture.size == grid.size
        grey = np.asarray(picture.convert("L"), int)
    assert grid.columns * grid.rows == 12
    seen = []
    for n in range(12):
        left = 24 + (n % grid.columns) * (grid.cell.width + 18)
        middle = 64 + (n // grid.columns) * (grid.cell.height + 18) + 30 + grid.height // 2
        seen.append(
            (
                int(grey[middle, left + grid.widths[0] // 2]),
                int(grey[middle, left + grid.widths[0] + 2 + grid.widths[1] // 2]),
            )
        )
    reference_seen, result_seen = zip(*seen, strict=True)
    assert all(a < b for a, b in itertools.pairwise(reference_seen))
    assert all(abs(a - b) <= 3 for a, b in seen[:6])  # pairs are aligned
    assert max(result_seen[6:]) - min(result_seen[6:]) <= 2  # held
    assert result_seen[-1] > 80


@pytest.mark.parametrize(
    "sizes",
    [
        (Size(1080, 1920), Size(1080, 1920)),
        (Size(1920, 1080), Size(720, 1280)),
        (Size(2000, 400), Size(2000, 400)),
    ],
)
def test_sheet_is_a_page(sizes: tuple[Size, Size]) -> None:
    from kling_utils.review import graph

    size = graph.cells(*sizes).size
    assert size.width <= 2100
    assert 0.8 < size.width / size.height < 2.6


def test_still_at_a_moment(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    flips = make(
        "flips",
        size="200x200",
        seconds=2,
        source="color=red:s={s}:r={r}:d={d},geq=r='255*lt(T,1)':g=0:b='255*gte(T,1)'",
        sound=None,
    )
    for at, channel in ((0.2, 0), (1.5, 2), (99.0, 2)):
        with Image.open(compare(flips, flips, tmp_path / "a.png", at=at)) as picture:
            assert np.asarray(picture.convert("RGB"))[120, 100].argmax() == channel
        with Image.open(poster(flips, tmp_path / "p.jpg", at=at, height=100)) as picture:
            assert picture.size == (100, 100)
            assert np.asarray(picture.convert("RGB"))[50, 50].argmax() == channel


def test_refusals(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clip = make("tiny", seconds=0.4, size="128x128", rate=10)
    for name, layout, said in (
        ("a.html", "html", "kling_utils.show"),
        ("a.mov", "side", r"ends in .mov"),
        ("a", "side", "ends in nothing"),
        ("a.mp4", "sheet", "contact sheet is a picture"),
        ("a.mp4", "triptych", "no image was given"),
        ("a.mp4", "diagonal", "diagonal"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            compare(clip, clip, tmp_path / name, layout=layout)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="max_bytes"):
        compare(clip, clip, tmp_path / "a.gif", max_bytes=0)
    with pytest.raises(InvalidRequest, match="one of the files"):
        compare(clip, clip, clip)
    with pytest.raises(InvalidRequest, match="A poster is a picture"):
        poster(clip, tmp_path / "a.gif")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n")
    with pytest.raises(UnreadableMedia):
        compare(clip, tmp_path / "list.mp4", tmp_path / "b.mp4")
    assert os.listdir(tmp_path) == ["list.mp4"]


def test_a_late_picture_is_compared_from_its_first_to_its_last(make, look, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    plain = make("late-plain", seconds=3)
    late = zoo.late_picture(zoo.copied(plain, "late-copy.mp4"), 0.6)
    out = compare(plain, late, tmp_path / "a.mp4")
    assert probe_video(out).duration == pytest.approx(3.0, abs=0.05)
    for at in (0.0, 1.5, 2.9):
        frame = look(out, at)[60:220].astype(int)
        half = frame.shape[1] // 2
        assert np.abs(frame[:, 20 : half - 20] - frame[:, half + 20 : -20]).mean() < 6, at
    found = sound.offset(sound.envelope(plain, seconds=3), sound.envelope(out, seconds=3), most=1)
    assert found is not None
    assert found.seconds == pytest.approx(-0.6, abs=0.03)


@pytest.mark.parametrize(
    "name", ["changing.mp4", pytest.param("changing.mkv", marks=pytest.mark.matrix)]
)
def test_a_size_that_changes_within_the_stream_is_compared(tmp_path: Path, name: str) -> None:
    path = zoo.changing_size(tmp_path, name)
    out = compare(path, path, tmp_path / "out.mp4")
    assert probe_video(out).duration == pytest.approx(6.0, abs=0.05)


def test_a_clip_that_cannot_be_decoded_ends_a_comparison(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = zoo.encrypted(tmp_path)
    with pytest.raises(UnreadableMedia, match="encrypted"):
        compare(make("sound-clip"), path, tmp_path / "out.mp4")
