"""The stage: reference and result on one clock, as a part of a page, as a page of its own, and in a notebook's cell.

A page that serves files puts ``script()`` where ``element``, ``props``, ``watch`` and ``trigger``
exist, and gives clips as ``{"url": ...}``. A page of its own holds the clips and plays without a
server or a network: its policy allows its one script by hash, and forbids every address that is not
inside it. No value is written into markup or script: data travels through properties, JSON and
``textContent``.

The keys are listed in ``stage.html``. Tab goes through the takes once, back to the first, and then
on to the controls and out of the stage, because it has to lead people without a mouse everywhere.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from kling_utils.errors import Interrupted, InvalidRequest, KlingError
from kling_utils.media.encode import make_playable, plays
from kling_utils.media.files import atomic_write
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.show import cards, proxies, words
from kling_utils.show import judge as judges
from kling_utils.show.judge import Judge
from kling_utils.show.progress import ProgressBar
from kling_utils.values import Job, Result

if TYPE_CHECKING:
    from kling_utils.review.motion import Activity

MAX_BYTES = 300_000_000
"""Of all files of a page together. A browser holds the page as text in memory, and Chromium's longest string is 512 MB."""
CELL_HEIGHT = 720
"""Pixels of the frame in a cell, until the page in it has said how high it is."""
_PIECE = 3 << 18
"""Bytes that are read at once; a multiple of three, so that the base64 of pieces is the base64 of the whole."""
_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'",
    "media-src blob:",
    "img-src blob: data:",
    "base-uri 'none'",
    "form-action 'none'",
)
_NO_PLAYER = (
    "The player needs scripts. If it is not shown, trust this notebook or run the cell again; "
    "save() writes the player as a page."
)
_LESSON = "<!--lesson-->"
_SCRIPTS = ("stage_clock.js", "stage_strip.js", "stage_view.js", "stage_judge.js", "stage.js")
"""One scope, in this order: the last one starts what the others define."""

File = Mapping[str, Any]
"""A file as its host serves it; the script reads ``url``."""


class Motion(TypedDict):
    """Motion over time: seconds, values of 0..1, and the seconds of the cuts."""

    times: Sequence[float]
    values: Sequence[float]
    cuts: Sequence[float]


class Motions(TypedDict, total=False):
    """The motion of the reference and of the result."""

    a: Motion | None
    b: Motion | None


class Save(TypedDict):
    """A file that the browser saves under a name."""

    url: str
    name: str


class Take(TypedDict):
    """One of several results. ``id`` stands in links, so it is something that a stranger may see, such as a job's id."""

    id: str
    label: str
    b: File | None
    motion: NotRequired[Motion | None]
    judge: NotRequired[Judge | None]
    save: NotRequired[Save | None]


class Value(TypedDict):
    """What the script reads. ``a`` is the reference, ``b`` the result; ``later`` stands where a result is still missing."""

    a: File | None
    b: File | None
    label_a: str
    label_b: str
    later: str
    fps: float | None
    """Frames a second of the reference, by which one steps; measured while it plays where it is not given."""
    autoplay: bool
    against: NotRequired[bool]
    """Two results: ``a`` is no reference, and the sides stay as they are."""
    round: NotRequired[int]
    """Another number loads both anew: what stays loaded would tell which side it stood on before."""
    takes: NotRequired[Sequence[Take]]
    """Several results of the one reference; ``b`` and ``label_b`` are not read then."""
    take: NotRequired[str | None]
    """Which of them to show; a change of it goes there, anything else stays with what the person chose."""
    image: NotRequired[File | None]
    """Can be pinned into a corner."""
    motion: NotRequired[Motions | None]
    judge: NotRequired[Judge | None]
    """How well ``b`` follows ``a``; several results have one each."""
    save: NotRequired[Save | None]
    """How ``b`` is downloaded; several results have one each."""


@functools.cache
def template(lesson: str = "") -> str:
    """The markup. ``lesson`` is trusted HTML of our own that is shown while there is nothing to play."""
    return (_HERE / "stage.html").read_text("utf-8").replace(_LESSON, lesson)


@functools.cache
def css() -> str:
    """The style sheet; colours come from the host's variables where it has them."""
    return (_HERE / "stage.css").read_text("utf-8")


@functools.cache
def script() -> str:
    """The script, run once for each stage."""
    return "".join((_HERE / name).read_text("utf-8") for name in _SCRIPTS)


def nothing() -> Value:
    """An empty stage, which shows its lesson."""
    return Value(a=None, b=None, label_a="", label_b="", later="", fps=None, autoplay=False)


def made(job: Job) -> str:
    """How a result is called on the stage: a draft never passes for a Kling result."""
    return "Result, local draft" if job.draft else "Result"


def strip(activity: Activity) -> Motion:
    """Motion as the strip under the time line draws it."""
    return Motion(times=activity.times, values=activity.values, cuts=activity.cuts)


def of(
    job: Job,
    reference: File | None,
    result: File | None,
    *,
    autoplay: bool = False,
    fps: float | None = None,
    image: File | None = None,
    motion: Motions | None = None,
    takes: Sequence[Take] = (),
    judge: Judge | None = None,
    save: Save | None = None,
) -> Value:
    """A job on the stage: its reference alone until there is a result. The files are as the host serves them.

    ``fps``: of the reference. ``takes``: this and other results of the same reference, the job's own with ``id=job.job_id``.
    """
    if result is None:
        later = (
            "There is no result."
            if job.state == "failed"
            else "The result will play here, in step with the reference."
        )
    else:
        later = ""
    value = Value(
        a=reference,
        b=result,
        label_a="Reference",
        label_b=made(job),
        later=later,
        fps=fps,
        autoplay=autoplay,
    )
    if takes and result is not None:
        value["takes"], value["take"] = list(takes), job.job_id
    if image is not None:
        value["image"] = image
    if motion is not None:
        value["motion"] = motion
    if judge is not None and result is not None:
        value["judge"] = judge
    if save is not None:
        value["save"] = save
    return value


def against(
    left: File | None,
    right: File | None,
    labels: Sequence[str],
    *,
    round_: int = 1,
    fps: float | None = None,
    motion: Motions | None = None,
) -> Value:
    """Two results in step, of the same reference or of different ones. ``fps``: of the left one."""
    value = Value(
        a=left, b=right, label_a=labels[0], label_b=labels[1], later="", fps=fps, autoplay=True
    )
    value["against"], value["round"] = True, round_
    if motion is not None:
        value["motion"] = motion
    return value


# -- a page of its own


@dataclass(frozen=True, slots=True)
class _Held:
    """A file inside of a page."""

    block: str
    """Id of its block."""
    kind: str
    """Its MIME type."""
    path: Path

    def base64(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield base64.b64encode(piece).decode("ascii")


def write_page(
    reference: Path,
    results: Path | Sequence[Path],
    out: Path,
    *,
    labels: Sequence[str] = (),
    title: str = "Reference and result",
    fps: float | None = None,
    image: Path | None = None,
    motion: bool = True,
    judged: Sequence[Judge | None] = (),
    draft: bool = False,
    foot: str = "",
    on_progress: Callable[[float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Write one HTML file that plays the stage offline, and give its path. It is a third larger than its clips; its foot says how large.

    ``results``: one clip, or several takes of the same reference. ``labels``: for the reference and
    each result. ``fps``: frames a second by which one steps (default: the reference's). ``motion``:
    measure all clips for the strip under the time line. ``judged``: how well each result follows,
    as ``show.judge`` tells it. ``draft`` marks every result as a local draft. ``foot``: what stands
    below instead of the size of the clips. Clips that browsers do not play are encoded again, the
    others are taken as they are. ``on_progress`` gets 0..1; ``stop`` is asked between two clips.

    Raises ``InvalidRequest`` (no result, labels that do not fit, more than 300 MB), ``UnreadableMedia``, ``FfmpegFailed``, ``Interrupted``.
    """
    clips = [Path(results)] if isinstance(results, str | Path) else [Path(path) for path in results]
    reference, out = Path(reference), Path(out)
    if not clips:
        raise InvalidRequest("There is no result to show.", hint="Give at least one clip.")
    usual = ["Reference", *_result_names(len(clips))]
    names = list(labels) or usual
    if len(names) != len(usual):
        raise InvalidRequest(
            f"{len(usual)} clips have {len(names)} labels.",
            hint="Give one label for the reference and one for each result.",
        )
    sources = (reference, *clips, *([image] if image else []))
    if out.resolve() in {path.resolve() for path in sources}:
        raise InvalidRequest(
            f"{out.name} is one of the files to be shown.", hint="Give another name."
        )
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise InvalidRequest(
            f"{out.name} is no name of a page.", hint="Choose a name that ends in .html."
        )
    parts, done = (1 + len(clips)) * (2 if motion else 1) + 1, 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done / parts)
        if stop is not None and stop():
            raise Interrupted("Stopped.")

    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        files: list[_Held] = []

        def hold(path: Path, kind: str = "video/mp4") -> dict[str, str]:
            if kind.startswith("video") and not plays(info := probe_video(path)):
                path = Path(folder) / f"{len(files)}.mp4"
                make_playable(info.path, info, path)
            files.append(_Held(f"file-{len(files)}", kind, path))
            return {"block": files[-1].block}

        value: dict[str, Any] = nothing() | {
            "title": title,
            "label_a": names[0],
            "fps": fps or float(probe_video(reference).frame_rate),
            "a": hold(reference),
            "takes": [],
        }
        step()
        for n, (name, path) in enumerate(zip(names[1:], clips, strict=True), 1):
            label = f"{name}, local draft" if draft else name
            value["takes"].append({"id": str(n), "label": label, "b": hold(path)})
            step()
        for take, each in zip(value["takes"], judged, strict=False):
            take["judge"] = each
        if image is not None:
            value["image"] = hold(image, f"image/{probe_image(image).format.lower()}")
        size = sum(held.path.stat().st_size for held in files)
        if size > MAX_BYTES:
            raise InvalidRequest(
                f"The files are {size / 1e6:.0f} MB; a page holds {MAX_BYTES / 1e6:.0f} MB.",
                hint="Trim the clips, or make them smaller.",
            )
        if motion:
            from kling_utils.review.motion import activity  # cv2: only where motion is measured

            value["motion"] = {"a": strip(activity(reference))}
            step()
            for take, path in zip(value["takes"], clips, strict=True):
                take["motion"] = strip(activity(path))
                step()
        which = "all" if len(clips) > 1 else "both"
        value["foot"] = foot or (
            f"Plays without a network: {which} clips are inside this file, {size / 1e6:.1f} MB."
        )
        style = (_HERE / "offline.css").read_text("utf-8") + css()
        code = f"(() => {{\n{(_HERE / 'offline.js').read_text('utf-8')}{script()}}})();\n"
        policy = [*_POLICY, f"script-src {_hash(code)}", f"style-src {_hash(style)}"]
        page = cards.TEMPLATES.get_template("offline.html").generate(
            policy="; ".join(policy),
            style=style,
            markup=template(),
            files=files,
            value=value,
            script=code,
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as part, part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(page)
    if on_progress is not None:
        on_progress(1.0)
    return out


def _result_names(count: int) -> list[str]:
    return ["Result"] if count == 1 else [f"Result {n}" for n in range(1, count + 1)]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


# -- a notebook's cell


class Stage:
    """Reference and result in step, in a cell: ``Stage(result)``, or ``Stage(one, another)`` for several takes of one reference.

    The cell shows small copies, because a notebook must stay a file that opens. ``save`` writes the same as a page, over the clips as they
    are. Raises ``InvalidRequest`` for results of different references.
    """

    def __init__(self, result: Result, *takes: Result) -> None:
        self.results = (result, *takes)
        if not all(isinstance(each, Result) for each in self.results):
            raise InvalidRequest(
                "A stage shows results.", hint="Give what run() gave, or runner.result(job_id)."
            )
        if len({probe_video(each.reference).sha256 for each in self.results}) > 1:
            raise InvalidRequest(
                "These results were not made from one reference.",
                hint="Show each of them on a stage of its own.",
                field="video",
            )

    def save(self, out: str | Path) -> Path:
        """Write the stage as one HTML file that plays without a network, and give its path."""
        first = self.results[0]
        clips = [first.reference, *(each.video for each in self.results)]
        title = f"{first.job.image_name} × {first.job.video_name}"
        return self._write(Path(out), clips, first.image, title=title)

    def __repr__(self) -> str:
        return f"Stage({', '.join(each.job.job_id for each in self.results)})"

    def _repr_html_(self) -> str:
        try:
            return self._framed
        except KlingError as error:
            return cards.html(error)
        except OSError:
            return proxies.GONE

    @functools.cached_property
    def _framed(self) -> str:
        first = self.results[0]
        sources = [first.reference, *(each.video for each in self.results)]
        with tempfile.TemporaryDirectory(prefix="cell-") as name:
            folder, clips = Path(name), []
            with ProgressBar("preparing the stage") as bar:
                for n, path in enumerate(sources):
                    clips.append(proxies.small(path, folder / f"{n}.mp4"))
                    bar((n + 1) / len(sources))
            image = proxies.small_image(first.image, folder / "image.jpg")
            still = proxies.still(clips[0], clips[1])
            foot = "Small copies of the clips, inside this cell; save() writes a page with the clips as they are."
            page = self._write(folder / "page.html", clips, image, foot=foot).read_text("utf-8")
        # The page in the frame hides the still before it. A notebook that is not trusted drops the frame.
        stand_in = cards.inlined(
            f'<div class="kc">{still}<p class="kc-do">{_NO_PLAYER}</p>{self._judged()}</div>'
        )
        shown = f'title="Reference and result, in step" allow="fullscreen" style="width:100%;height:{CELL_HEIGHT}px;border:0"'
        return f'<div>{stand_in}<iframe {shown} srcdoc="{html.escape(page)}"></iframe></div>'

    def _judged(self) -> str:
        """How well each result follows, without a script."""
        told = [judges.card(each.audit) for each in self.results]
        if len(told) == 1:
            return told[0]
        names = words.takes([each.job for each in self.results])
        named = zip(names, told, strict=True)
        return "".join(
            f'<p class="kc-do kc-what">{cards.escape(name)}</p>{card}'
            for name, card in named
            if card
        )

    def _write(
        self, out: Path, clips: Sequence[Path], image: Path, *, title: str = "", foot: str = ""
    ) -> Path:
        jobs = [each.job for each in self.results]
        alone = len(jobs) == 1
        return write_page(
            clips[0],
            clips[1:],
            out,
            labels=["Reference", *(["Result"] if alone else words.takes(jobs))],
            title=title,
            image=image,
            judged=[judges.judge(each.audit) for each in self.results],
            draft=alone and jobs[0].draft,  # the names of several say it themselves
            foot=foot,
        )
