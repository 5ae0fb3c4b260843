"""Repair: what would be changed and what that costs, one button that does it, and before beside after.

Owns the panel.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import Busy, Interrupted, KlingError
from kling_utils.media import bounds
from kling_utils.media.encode import thumbnails
from kling_utils.preflight.plan import FitChoices, Plan, left_in_place, plan_fit
from kling_utils.preflight.repair import Fitted
from kling_utils.show import cards
from kling_utils.studio import files, lanes
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.session import Form, Session
from kling_utils.studio.theme import static
from kling_utils.values import Report

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.studio.inputs import ImageInput, VideoInput

THUMBNAILS = 8
LOOK_AGAIN = 0.4
"""Seconds between two looks at the progress."""
PAD, CROP = "Add ground around it", "Cut around the person"
USUAL = "usual"
_COLOURS = [
    ("White", "white"),
    ("Light grey", "#d4d4d4"),
    ("Grey", "#808080"),
    ("Black", "black"),
    ("Blue", "#2f5fd0"),
    ("Green", "#00b140"),
]
_UNREADABLE = frozenset(
    {"image.unreadable", "image.is_video", "video.unreadable", "video.is_image"}
)
"""Said by the card of the file itself, and nothing that a repair could answer."""


class Fitting:
    """Shown only while there is something that can be, or cannot be, repaired."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        with gr.Column(visible=False, elem_id="fit") as self.panel:
            self.plan = gr.HTML("", elem_id="fit-plan", apply_default_css=False)
            self.strip = gr.HTML(
                "",
                js_on_load=static("frames.js"),
                elem_id="fit-strip",
                apply_default_css=False,
                visible=False,
            )
            self.start = gr.Slider(
                0,
                3600,  # a page that outlives its session sends what was chosen before
                value=0,
                step=0.1,
                label="Begin at (seconds)",
                elem_id="fit-start",
                visible=False,
            )
            self.shape = gr.Radio(
                [PAD, CROP],
                value=PAD,
                label="Picture too wide or too tall",
                elem_id="fit-shape",
                visible=False,
            )
            self.colour = gr.Dropdown(
                [("As usual", USUAL), *_COLOURS],
                value=USUAL,
                label="Ground",
                elem_id="fit-colour",
                visible=False,
                filterable=False,
            )
            self.slow = gr.Checkbox(
                False,
                label="Slow the clip down until it is long enough",
                elem_id="fit-slow",
                visible=False,
                container=False,
            )
            with gr.Row(elem_id="fit-buttons"):
                self.button = gr.Button("Fix all", variant="primary", elem_id="fix-all")
                self.stop = gr.Button("Stop", visible=False, elem_id="fix-stop")
        self.done = gr.HTML("", elem_id="fit-done", apply_default_css=False, visible=False)

    @property
    def judged_outputs(self) -> list[Any]:
        """What ``judged`` changes."""
        return [
            self.panel,
            self.plan,
            self.start,
            self.shape,
            self.slow,
            self.button,
            self.colour,
            self.done,
        ]

    @property
    def choices(self) -> list[Any]:
        return [self.start, self.shape, self.slow, self.colour]

    def bind(self, form: list[Any], image: ImageInput, video: VideoInput, desk: gr.State) -> None:
        """The button, its stop, and the choices that change the plan."""
        outputs = [
            image.source,
            image.view,
            video.source,
            video.view,
            self.plan,
            self.done,
            self.button,
            self.stop,
        ]
        self.button.click(
            self.fix, [*form, *self.choices, desk], outputs, **PRIVATE, **HIDDEN, **UNLIMITED
        )
        self.stop.click(self.stopped, [desk], None, **PRIVATE, **HIDDEN)
        gr.on(
            [self.start.release, self.shape.input, self.slow.input, self.colour.input],
            in_lane(bounds.checking, self.replan),
            [*form, *self.choices, desk],
            [self.plan, self.button, self.colour],
            trigger_mode="always_last",
            **PRIVATE,
            **HIDDEN,
            **UNLIMITED,
        )
        begun = [self.start, self.plan, self.button]
        self.strip.begin(
            in_lane(bounds.checking, self.begun),
            [*form, *self.choices, desk],
            begun,
            trigger_mode="always_last",
            **PRIVATE,
            **HIDDEN,
            **UNLIMITED,
        )

    def judged(self, report: Report, form: Form, desk: Session, *choices: Any) -> tuple[Any, ...]:
        """The panel for a report: hidden when nothing can be or need be done.

        A choice is about one file. For another file, also a fitted one, the choices are the usual ones again.
        """
        # the page checks each of two new files: what it sends with the second is about the files before
        start, shape, slow, colour = _chosen(form, desk, desk.fit_choices or choices)
        desk.fit_for = (form.image, form.video)
        desk.fit_choices = (start, shape, slow, colour)
        plan = _plan(report, form, start, shape, slow, colour)
        done = (
            gr.skip() if {form.image, form.video} & desk.fitted.keys() else gr.update(visible=False)
        )
        short = any(i.field == "video" and i.code == "video.duration" for i in plan.impossible)
        # nothing to do, or nothing that can be done: then the cards of the files say why
        if not (plan.needed or short):
            return (
                gr.update(visible=False),
                gr.skip(),
                gr.update(value=start),
                gr.update(value=shape),
                gr.update(value=slow),
                gr.skip(),
                gr.update(value=colour),
                done,
            )
        spare = (
            _spare(plan) if any(s.code in ("video.trim", "video.cut") for s in plan.steps) else 0.0
        )
        wide = any(f.code == "image.aspect" and f.severity == "error" for f in report.findings)
        return (
            gr.update(visible=True),
            cards.plan(plan),
            gr.update(
                visible=spare > 0, maximum=max(spare, 0.1), value=min(start, max(spare, 0.0))
            ),
            gr.update(visible=wide, value=shape),
            gr.update(visible=short or slow, value=slow),
            _press(plan, value=_fix(report) + ("" if plan.required else " (advised)")),
            _ground(plan, value=colour),
            done,
        )

    def replan(self, *values: Any) -> tuple[Any, Any, Any]:
        """A choice was changed: what would be done now."""
        *fields, start, shape, slow, colour, desk = values
        desk.fit_choices = (start, shape, slow, colour)
        if desk.shown is None:
            return gr.skip(), gr.skip(), gr.skip()
        plan = _plan(desk.shown.report, Form(*fields), start, shape, slow, colour)
        return cards.plan(plan), _press(plan), _ground(plan)

    def begun(self, event: gr.EventData, *values: Any) -> tuple[Any, Any, Any]:
        """A thumbnail was chosen: the clip begins there, or as late as it can. Returns (slider, plan, button)."""
        *fields, _, shape, slow, colour, desk = values
        at = getattr(event, "at", None)
        if (
            desk.shown is None
            or isinstance(at, bool)
            or not isinstance(at, int | float)
            or not 0 <= at < 1e6
        ):
            return gr.skip(), gr.skip(), gr.skip()
        report, form = desk.shown.report, Form(*fields)
        start = min(float(at), _spare(_plan(report, form, 0.0, shape, slow, colour)))
        plan = _plan(report, form, start, shape, slow, colour)
        desk.fit_choices = (start, shape, slow, colour)
        return start, cards.plan(plan), _press(plan)

    def frames(self, desk: Session) -> Any:
        """Pictures of a clip that is too long, above the slider that says where it begins."""
        report = desk.shown.report if desk.shown is not None else None
        clip = report.video if report is not None else None
        if (
            report is None
            or clip is None
            or not any(
                f.code == "video.duration" and f.severity == "error" for f in report.findings
            )
        ):
            return gr.update(visible=False, value="")
        try:
            drawn = _thumbnails(clip.path, clip.sha256)
        except KlingError:
            return gr.update(visible=False, value="")
        spare = (
            _spare(_plan(report, desk.form, 0.0, PAD, False, USUAL))
            if desk.form is not None
            else 0.0
        )
        return gr.update(visible=True, value=_frames(drawn, clip.duration / THUMBNAILS, spare))

    async def fix(self, *values: Any) -> AsyncIterator[tuple[Any, ...]]:
        """Do what the plan says, in a thread, telling how far it is; the form then holds the new files."""
        *fields, start, shape, slow, colour, desk = values
        form = Form(*fields)
        desk.fit_choices = _chosen(form, desk, (start, shape, slow, colour))
        start, shape, slow, colour = desk.fit_choices
        told: list[tuple[float, str]] = [(0.0, "image")]
        desk.stop_fit = stop = threading.Event()

        def progress(at: float, what: str) -> None:
            told[0] = (at, what)

        def work() -> Fitted:
            look = desk.check(self._runner, form, None)
            plan = _plan(look.report, form, start, shape, slow, colour)
            return self._runner.repair(plan, on_progress=progress, stop=stop.is_set)

        keep = [gr.skip()] * 4

        def ended(said: str) -> tuple[Any, ...]:
            return *keep, said, gr.skip(), gr.update(interactive=True), gr.update(visible=False)

        try:
            await lanes.fetched(self._runner, desk, form.image, form.video)
            begun = lanes.begin(bounds.making, desk, work)
        except Busy as error:
            yield ended(cards.error(error))
            return
        task = asyncio.wrap_future(begun)
        try:
            while not task.done():
                at, which = told[0]
                what = "the picture" if which == "image" else "the clip"
                head = f"Fixing {what}, {at:.0%}" if begun.running() else "Waiting for its turn"
                said = cards.note(head, "Your own files stay as they are.")
                yield (
                    *keep,
                    said,
                    gr.skip(),
                    gr.update(interactive=False),
                    gr.update(visible=True),
                )
                await asyncio.wait([task], timeout=LOOK_AGAIN)
                if stop.is_set():
                    begun.cancel()  # while it waits; what runs asks by itself
        finally:
            if not task.done():  # the page was closed: nobody asks any more how it ended
                stop.set()
                begun.cancel()
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            fitted = task.result()  # done, perhaps as cancelled
        except (Interrupted, asyncio.CancelledError):
            look = desk.shown
            again = (
                cards.plan(_plan(look.report, form, start, shape, slow, colour))
                if look is not None
                else ""
            )
            yield ended(again)
            return
        except KlingError as error:
            yield ended(cards.error(error))
            return
        for original, path in ((form.image, fitted.image), (form.video, fitted.video)):
            if path:
                desk.fitted[str(path)] = desk.fitted.get(original, original)
        yield (
            str(fitted.image) if fitted.image else gr.skip(),
            gr.update(value=files.handed(fitted.image)) if fitted.image else gr.skip(),
            str(fitted.video) if fitted.video else gr.skip(),
            gr.update(value=files.handed(fitted.video)) if fitted.video else gr.skip(),
            gr.skip(),
            gr.update(value=cards.fitted(fitted), visible=True),
            gr.update(interactive=True),
            gr.update(visible=False),
        )

    def stopped(self, desk: Session) -> None:
        """Nothing of what was begun is kept."""
        desk.stop_fit.set()


def _chosen(form: Form, desk: Session, choices: Sequence[Any]) -> tuple[float, str, bool, str]:
    """The choices (start, shape, slow, colour) that were made for these files; the usual ones for a file that has come since."""
    start, shape, slow, colour = choices
    image, video = desk.fit_for
    if form.video != video:
        start, slow = 0.0, False
    if form.image != image:
        shape, colour = PAD, USUAL
    return start, shape, slow, colour


def _plan(
    report: Report,
    form: Form,
    start: float,
    shape: str,
    slow: bool,
    colour: str,
    *,
    whole: bool = False,
) -> Plan:
    """What is done about the files that could be read; ``whole``: also what nothing can be done about."""
    choices = FitChoices(
        start=max(0.0, float(start or 0)), shape="crop" if shape == CROP else "pad", slow=bool(slow)
    )
    if colour in {value for _, value in _COLOURS}:
        choices = replace(choices, ground=colour, behind=colour)
    choices = left_in_place(choices, report, image=form.image, video=form.video)
    plan = plan_fit(report, choices=choices, character_orientation=form.character_orientation)
    return (
        plan
        if whole
        else replace(
            plan, impossible=tuple(i for i in plan.impossible if i.code not in _UNREADABLE)
        )
    )


def _fix(report: Report) -> str:
    """What the button says: "all" only where both files can be looked at."""
    left = {finding.field for finding in report.errors if finding.code in _UNREADABLE}
    return (
        "Fix the picture" if "video" in left else "Fix the clip" if "image" in left else "Fix all"
    )


def _ground(plan: Plan, **more: Any) -> Any:
    """The colour is asked for where one is needed: what is added around the picture, and what shows through it."""
    codes = {step.code for step in plan.steps}
    padded, through = "image.pad" in codes, "image.behind" in codes
    usual = (
        f"Blurred picture{', on white' if through else ''} (usual)" if padded else "White (usual)"
    )
    label = "Colour of the ground" if padded else "Colour behind what is see-through"
    choices = [(usual, USUAL), *_COLOURS]
    return gr.update(visible=padded or through, label=label, choices=choices, **more)


def _press(plan: Plan, **more: Any) -> Any:
    """The button is there only when it can be pressed."""
    able = plan.needed and not plan.impossible
    return gr.update(interactive=able, visible=able, **more)


def one_click_fixable(desk: Session) -> bool:
    """Does one press make what was checked last ready to be sent?"""
    if desk.shown is None or desk.form is None or desk.shown.report.ok:
        return False
    # no repair of a file answers those
    if any(finding.field == "request" for finding in desk.shown.report.errors):
        return False
    plan = _plan(desk.shown.report, desk.form, 0.0, PAD, False, USUAL, whole=True)
    return plan.required and not plan.impossible


def _spare(plan: Plan) -> float:
    """Seconds of the clip that the plan leaves out."""
    return (
        round(max(0.0, plan.video.info.duration - float(plan.video.recipe.taken)), 1)
        if plan.video is not None
        else 0.0
    )


@functools.lru_cache(maxsize=16)
def _thumbnails(path: Path, _sha256: str) -> tuple[str, ...]:
    return tuple(base64.b64encode(jpeg).decode("ascii") for jpeg in thumbnails(path, THUMBNAILS))


def _frames(pictures: tuple[str, ...], apart: float, spare: float) -> str:
    """Each picture is a button: the clip begins there. Of the last ones, as late as it can."""
    made = []
    for number, data in enumerate(pictures):
        at = round(number * apart, 1)
        told = f"Begin at {min(at, spare):g} s" + (", the latest" if at > spare else "")
        picture = f'<img alt="" src="data:image/jpeg;base64,{data}">'
        made.append(
            f'<button type="button" data-begin="{at:g}" title="{told}" aria-label="{told}">{picture}</button>'
        )
    return (
        f'<div class="frames" role="group" aria-label="Where the clip begins">{"".join(made)}</div>'
    )
