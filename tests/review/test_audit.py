"""The audit finds what was broken on purpose, and nothing where nothing was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kling_utils.errors import UnreadableMedia
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.review.audit import TITLES, audit
from kling_utils.values import Finding, MotionRequest, Report


@pytest.fixture(scope="module")
def dance(shared_media: Path) -> Path:
    return shared_media / "video" / "dance_woman_4s.mp4"


def spoiled(
    source: Path,
    out: Path,
    *,
    video: str = "null",
    sound: str = "anull",
    extra: tuple[str, ...] = (),
) -> Path:
    """The clip encoded again, smaller, with filters over its picture and sound."""
    filters = ["-vf", f"scale=480:720,{video}", "-af", sound]
    ffmpeg.run(
        [
            *ffmpeg.source(source),
            *filters,
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-c:a",
            "aac",
            *extra,
            f"file:{out}",
        ],
        timeout=60,
    )
    return out


def judged(
    result: Path,
    reference: Path,
    *,
    expected: float | None = None,
    fidelity: bool = False,
    **request: object,
) -> Report:
    asked = MotionRequest(image="https://example.com/a.png", video=reference, **request)  # type: ignore[arg-type]
    return audit(
        result,
        reference,
        request=asked,
        expected_seconds=expected or probe_video(reference).duration,
        fidelity=fidelity,
    )


def faults(report: Report) -> dict[str, Finding]:
    return {
        f.code.removeprefix("result."): f
        for f in report.findings
        if f.severity not in ("pass", "unknown")
    }


def test_a_good_result_passes_every_rule(dance: Path, tmp_path: Path) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", video="hue=s=0.6")
    report = judged(result, dance, fidelity=True)
    assert set(faults(report)) == {"size"}  # 480 of 720 lines: told as advice
    assert {f.code for f in report.findings} == set(TITLES)
    assert report.fidelity is not None
    assert report.fidelity.sentence == "Follows the motion well."
    assert {f.field for f in report.findings} == {"result"}
    assert all(f.measured and f.allowed and not re.search(r"[{}]", str(f)) for f in report.findings)
    assert all(bool(f.fix) == (f.severity not in ("pass", "unknown")) for f in report.findings)
    assert report.ok
    assert report.video is not None
    assert report.video.path == result


def test_cut_short_at_the_end(dance: Path, tmp_path: Path) -> None:
    found = faults(judged(spoiled(dance, tmp_path / "a.mp4", extra=("-t", "2.6")), dance))["length"]
    assert found.severity == "warning"
    assert "ends at 2.6 s of the reference" in found.measured
    assert "cut short" in found.fix


@pytest.mark.parametrize("kept", [True, False], ids=["by sound", "by motion"])
def test_cut_short_at_the_beginning(dance: Path, tmp_path: Path, kept: bool) -> None:
    cut = tmp_path / "cut.mp4"
    silent = () if kept else ("-an",)
    spoiled(
        dance,
        cut,
        video="trim=start=1.4,setpts=PTS-STARTPTS",
        sound="atrim=start=1.4,asetpts=PTS-STARTPTS",
        extra=silent,
    )
    report = judged(cut, dance, keep_original_sound=kept)
    found = faults(report)["length"]
    assert found.severity == "warning"
    begin = re.search(r"begins at ([\d.]+) s", found.measured)
    assert begin is not None, found.measured
    assert float(begin[1]) == pytest.approx(1.4, abs=0.1)
    assert "sound_offset" not in faults(
        report
    )  # the sound fits the picture, which begins later, too


def test_a_few_frames_are_no_warning(dance: Path, tmp_path: Path) -> None:
    assert (
        faults(judged(spoiled(dance, tmp_path / "a.mp4", extra=("-t", "3.8")), dance))[
            "length"
        ].severity
        == "advice"
    )
    assert "length" not in faults(
        judged(spoiled(dance, tmp_path / "b.mp4", extra=("-t", "4.04")), dance)
    )


def test_image_orientation_ends_where_documented(dance: Path, tmp_path: Path) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", extra=("-t", "3"))
    found = faults(judged(result, dance, expected=3.0, character_orientation="image"))["length"]
    assert found.severity == "advice"
    assert "ends at 3 s of the reference" in found.measured


def test_longer_than_expected(dance: Path, tmp_path: Path) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", video="tpad=stop_mode=clone:stop_duration=1.5")
    found = faults(judged(result, dance))
    assert "longer" in found["length"].fix
    assert "to its end" in found["frozen"].measured


def test_silent(dance: Path, tmp_path: Path) -> None:
    without = spoiled(dance, tmp_path / "a.mp4", extra=("-an",))
    assert faults(judged(without, dance))["sound"].measured == "no sound track"
    assert "sound" not in faults(judged(without, dance, keep_original_sound=False))
    mute = spoiled(dance, tmp_path / "b.mp4", sound="volume=0")
    assert "silent" in faults(judged(mute, dance))["sound"].measured
    assert (
        faults(judged(spoiled(dance, tmp_path / "c.mp4"), dance, keep_original_sound=False))[
            "sound"
        ].severity
        == "advice"
    )
    assert "sound" not in faults(
        judged(spoiled(dance, tmp_path / "d.mp4"), without)
    )  # there was nothing to keep


@pytest.mark.parametrize(
    ("ms", "severity"),
    [(200, "warning"), (-200, "warning"), (150, "advice"), (60, "pass"), (-20, "pass")],
)
def test_sound_out_of_step(dance: Path, tmp_path: Path, ms: int, severity: str) -> None:
    move = f"adelay={ms}:all=1" if ms > 0 else f"atrim=start={-ms / 1000},asetpts=PTS-STARTPTS"
    result = spoiled(dance, tmp_path / "a.mp4", sound=f"{move},volume=0.4", extra=("-t", "4.12"))
    (found,) = (f for f in judged(result, dance).findings if f.code == "result.sound_offset")
    assert found.severity == severity
    if severity != "pass":
        told = re.match(r"(\d+) ms (late|early)", found.measured)
        assert told is not None
        assert int(told[1]) == pytest.approx(abs(ms), abs=20)
        assert told[2] == ("late" if ms > 0 else "early")


def test_a_steady_tone_cannot_be_placed(make) -> None:  # type: ignore[no-untyped-def]
    tone, other = (
        make("tone", seconds=3, sound="sine=f=440"),
        make("other", seconds=3, sound="sine=f=660"),
    )
    (found,) = (f for f in judged(other, tone).findings if f.code == "result.sound_offset")
    assert found.severity == "unknown"
    assert found.measured.startswith("cannot be told, because the two sounds are too steady")


def test_another_sound_is_told(make) -> None:  # type: ignore[no-untyped-def]
    clicks = make("clicks", seconds=5)
    others = (
        make("beep", seconds=5, sound="sine=f=440"),
        make("rhythm", seconds=5, sound="aevalsrc='0.6*sin(5e3*t)*lt(mod(t*t,0.83),0.06)'"),
    )
    for other in others:
        for result, reference in ((other, clicks), (clicks, other)):
            report = judged(result, reference)
            found = next(f for f in report.findings if f.code == "result.sound")
            assert (found.severity, found.measured[:13]) == ("warning", "another sound")
            offset = next(f for f in report.findings if f.code == "result.sound_offset")
            assert offset.severity == "unknown"
            assert "it is another sound" in offset.measured


@pytest.mark.parametrize(
    ("sound", "code"),
    [
        ("anull", ("-b:a", "64k", "-ac", "1")),
        ("volume=-12dB", ()),
        ("anull", ("-ar", "8000", "-b:a", "24k")),
        ("acompressor=threshold=0.05:ratio=8", ()),
    ],
)
def test_the_same_sound_encoded_again_is_no_other(
    shared_media: Path, tmp_path: Path, sound: str, code: tuple[str, ...]
) -> None:
    for name in ("dance_woman_4s.mp4", "crowd_50fps.avi"):
        whole = shared_media / "video" / name
        result = spoiled(whole, tmp_path / f"{name}.mp4", sound=sound, extra=code)
        report = judged(result, whole, expected=probe_video(whole).duration)
        assert {"sound", "sound_offset"}.isdisjoint(faults(report))


def test_a_late_sound_is_told_once(dance: Path, tmp_path: Path) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", sound="adelay=500:all=1", extra=("-t", "4.12"))
    told = faults(judged(result, dance, fidelity=True))
    assert re.match(r"(49|50)\d ms late", told["sound_offset"].measured)
    assert "timing" not in told


def test_frozen_tail(dance: Path, tmp_path: Path) -> None:
    result = spoiled(
        dance,
        tmp_path / "a.mp4",
        video="trim=end=2.4,tpad=stop_mode=clone:stop_duration=1.72",
        extra=("-g", "12"),
    )
    found = faults(judged(result, dance))["frozen"]
    begin = re.fullmatch(r"from ([\d.]+) s to its end", found.measured)
    assert begin is not None, found.measured
    assert float(begin[1]) == pytest.approx(2.4, abs=0.15)
    assert "stops before the reference" in found.fix


def test_frozen_altogether(dance: Path, tmp_path: Path) -> None:
    result = spoiled(
        dance, tmp_path / "a.mp4", video="trim=end_frame=1,tpad=stop_mode=clone:stop_duration=4.08"
    )
    assert faults(judged(result, dance))["frozen"].measured == "all of it"


def test_a_pause_of_the_reference_is_no_fault(dance: Path, tmp_path: Path) -> None:
    pause = spoiled(
        dance, tmp_path / "a.mp4", video="trim=end=2.4,tpad=stop_mode=clone:stop_duration=1.72"
    )
    report = judged(spoiled(pause, tmp_path / "b.mp4"), pause)
    assert "frozen" not in faults(report)
    assert (
        next(f for f in report.findings if f.code == "result.frozen").measured
        == "only where the reference has them"
    )


def test_black_start(dance: Path, tmp_path: Path) -> None:
    black = spoiled(
        dance, tmp_path / "a.mp4", video="drawbox=color=black:t=fill:enable='lt(t,0.6)'"
    )
    report = faults(judged(black, dance))
    assert report["black"].measured == "0.6 s at its start"
    assert "cuts" not in report  # told once
    assert "frozen" not in report
    assert "black" not in faults(judged(spoiled(black, tmp_path / "b.mp4"), black))


def test_a_cut_that_the_reference_has_not(shared_media: Path, tmp_path: Path) -> None:
    man = shared_media / "video" / "talking_man_portrait.mp4"
    whole, jumped = tmp_path / "whole.mp4", tmp_path / "jumped.mp4"
    common = [*ffmpeg.H264, "-preset", "ultrafast", "-an", "-t", "4"]
    ffmpeg.run([*ffmpeg.source(man), "-vf", "scale=360:640", *common, f"file:{whole}"], timeout=60)
    ffmpeg.run(
        [
            *ffmpeg.source(man),
            "-vf",
            "select='lt(t,2)+gte(t,7)',setpts=N/30/TB,scale=360:640",
            *common,
            f"file:{jumped}",
        ],
        timeout=60,
    )
    assert faults(judged(jumped, whole))["cuts"].measured == "2 s"
    assert "cuts" not in faults(judged(whole, whole))
    assert "cuts" not in faults(judged(jumped, jumped))


def test_rate_shape_and_bits(dance: Path, tmp_path: Path) -> None:
    result = tmp_path / "a.mp4"
    args = [*ffmpeg.H264, "-preset", "veryfast", "-crf", "51", "-r", "12", "-an"]
    ffmpeg.run(
        [
            *ffmpeg.source(dance),
            "-vf",
            "crop=720:720,hue=s=0,gblur=8,scale=960:960",
            *args,
            f"file:{result}",
        ],
        timeout=60,
    )
    found = faults(judged(result, dance, keep_original_sound=False))
    assert found["frame_rate"].measured == "12 fps"
    assert found["shape"].measured == "960x960"
    assert "bits a pixel" in found["bit_rate"].measured
    assert all(found[code].severity == "advice" for code in ("frame_rate", "shape", "bit_rate"))


def test_the_image_s_shape_is_right_too(dance: Path, shared_media: Path, tmp_path: Path) -> None:
    result = tmp_path / "a.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(dance),
            "-vf",
            "crop=720:720",
            *ffmpeg.H264,
            "-preset",
            "ultrafast",
            f"file:{result}",
        ],
        timeout=60,
    )
    asked = MotionRequest(image=shared_media / "image" / "portrait_woman.png", video=dance)
    assert "shape" not in faults(
        audit(result, dance, request=asked, expected_seconds=4.12, fidelity=False)
    )


def test_no_result_is_an_error(dance: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(UnreadableMedia):
        judged(tmp_path / "a.mp4", dance)


@pytest.mark.parametrize(
    ("video", "sound", "sentence", "code"),
    [
        ("trim=end_frame=1,loop=loop=-1:size=1,setpts=N/25/TB", "anull", "does not move", "motion"),
        ("hflip", "anull", "in a mirror", "motion"),
        ("reverse", "anull", "runs backwards", "motion"),
        ("setpts=2*PTS", "anull", "at half speed", "motion"),
        ("tpad=start_mode=clone:start_duration=0.6", "anull", "0.6 s late", "timing"),
        ("hue=s=0", "anull", "lost its colours", "colours"),
        ("hue=h=15*t", "anull", "the colours drift", "colours"),
    ],
)
def test_what_went_wrong_with_the_motion(
    dance: Path, tmp_path: Path, video: str, sound: str, sentence: str, code: str
) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", video=video, sound=sound, extra=("-t", "4.12"))
    report = judged(result, dance, fidelity=True)
    assert report.fidelity is not None
    assert sentence in report.fidelity.sentence
    assert faults(report)[code].severity == "warning"


def test_another_clip_with_the_right_sound(shared_media: Path, dance: Path, tmp_path: Path) -> None:
    other, result = shared_media / "video" / "dance_fullbody_12s.mp4", tmp_path / "a.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(other),
            *ffmpeg.source(dance),
            *("-map", "0:v", "-map", "1:a", "-vf", "scale=480:-2", "-t", "4.12"),
            *(*ffmpeg.H264, "-preset", "veryfast", f"file:{result}"),
        ],
        timeout=60,
    )
    report = judged(result, dance, fidelity=True)
    assert "another clip" in faults(report)["motion"].measured
    assert "sound_offset" not in faults(report)


def test_a_late_picture_over_its_own_sound_is_told_once(dance: Path, tmp_path: Path) -> None:
    late = "tpad=start_mode=clone:start_duration=0.6"
    result = spoiled(dance, tmp_path / "a.mp4", video=late, extra=("-t", "4.12"))
    report = judged(result, dance, fidelity=True)
    found = faults(report)
    assert "later than its sound" in found["timing"].measured
    assert "sound_offset" not in {f.code.removeprefix("result.") for f in report.findings}
    assert "length" not in found


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (("-frames:v", "1", "-an"), "shorter than half a second"),
        (("-t", "0.4"), "shorter than half a second"),
        (("-r", "1", "-t", "4.12"), "too few pictures a second"),
    ],
)
def test_too_little_to_compare_has_a_reason(
    dance: Path, tmp_path: Path, extra: tuple[str, ...], reason: str
) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", extra=extra)
    found = judged(result, dance, fidelity=True).fidelity
    assert found is not None
    assert found.score.value is None
    assert found.sentence.startswith("Cannot tell")
    assert reason in found.sentence


def test_all_black(dance: Path, tmp_path: Path) -> None:
    result = spoiled(dance, tmp_path / "a.mp4", video="drawbox=color=black:t=fill")
    report = judged(result, dance, fidelity=True)
    found = faults(report)
    assert found["black"].measured == "all of it"
    assert found["colours"].measured == "nothing to be seen in most pictures"
    assert report.fidelity is not None
    assert report.fidelity.score.value is None


def test_a_blue_cast_through_files(dance: Path, tmp_path: Path) -> None:
    blue = "colorchannelmixer=rr=0.75:bb=1.25"
    report = judged(spoiled(dance, tmp_path / "a.mp4", video=blue), dance, fidelity=True)
    assert report.fidelity is not None
    assert "the whole picture has a blue cast, unlike the reference" in report.fidelity.sentence
    assert set(faults(report)) & {"colours", "person", "motion"} == {"colours"}


def test_another_clip_from_the_middle_on(shared_media: Path, tmp_path: Path) -> None:
    """The second half is livelier, and would fit best at another lag than the first."""
    video = shared_media / "video"
    man, other, result = (
        video / "talking_man_portrait.mp4",
        video / "face_expressions_7s.mp4",
        tmp_path / "a.mp4",
    )
    reference = tmp_path / "reference.mp4"
    size = "scale=480:480:force_original_aspect_ratio=increase,crop=480:480,fps=15,setsar=1"
    made = (*ffmpeg.H264, "-preset", "veryfast")
    ffmpeg.run(
        [*ffmpeg.source(man), "-an", "-t", "6", "-vf", size, *made, f"file:{reference}"], timeout=60
    )
    joined = f"[0:v]{size},trim=0:3[a];[1:v]{size},trim=3:6,setpts=PTS-STARTPTS[b];[a][b]concat"
    inputs = [*ffmpeg.source(man), *ffmpeg.source(other)]
    ffmpeg.run([*inputs, "-an", "-filter_complex", joined, *made, f"file:{result}"], timeout=60)
    found = judged(result, reference, fidelity=True)
    assert found.fidelity is not None
    assert re.search(r"until (2\.[5-9]|3(\.\d)?) s: from then on", found.fidelity.sentence), (
        found.fidelity.sentence
    )
    length = next(f for f in found.findings if f.code == "result.length")
    assert "of another clip" not in length.measured
