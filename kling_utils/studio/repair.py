"""Repair: what would be changed and what that costs, one button that does it, and before beside after."""

from __future__ import annotations

import asyncio
import base64
import functools
import threading
from collections.abc import AsyncIterator
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
from kling_utils.studio import crop, files, trim
from kling_utils.studio import events as lanes
from kling_utils.studio.content import Content
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.session import CROP, PAD, USUAL, Form, RepairChoices, Session
from kling_utils.studio.theme import static
from kling_utils.values import Report, is_url

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

THUMBNAILS = 8
CHANGES = 2
"""Changes that are shown before the press; with more, the form would leave the view."""
LOOK_AGAIN = 0.4
"""Seconds between two updates of the progress."""
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


class Repair:
    """Shown only while there is something that can be, or cannot be, repaired."""

    def __init__(self, client: Client, image: ImageInput, video: VideoInput) -> None:
        self._client, self._image, self._video = client, image, video
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
                3600,  # a page that outlives its session sends the value of before
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
        self.done = gr.HTML(
            "", elem_id="fit-done", apply_default_css=False, visible=False, render=False
        )
        """What was done. The page places it where it pushes nothing."""
        self.choices: dict[str, Any] = {
            "start": self.start,
            "shape": self.shape,
            "slow": self.slow,
            "colour": self.colour,
        }
        self.drawn = [self.panel, self.plan, *self.choices.values(), self.button, self.done]

    def bind(self, events: Events, content: Content) -> None:
        """``content`` has the time line of the clip, and the button that keeps its usable part."""
        form, choices = events.form, self.choices
        image, video = self._image, self._video
        fixed = [image.source, image.view, video.source, video.view]
        fixed += [self.plan, self.done, self.button, self.stop]
        events.on(self.button.click, self.on_fix, fixed, **form, **choices)
        events.on(content.use.click, self.on_use, [*fixed, self.panel], **form)
        events.on(content.trim.panel.cut, self.on_cut, [*fixed, self.panel], **form)
        events.on(content.turn.click, self.on_turn, [*fixed, self.panel], **form)
        events.on(content.crop.panel.crop, self.on_crop, [*fixed, self.panel], **form)
        for whole, back, each in (
            (content.trim.panel.whole, self.on_whole, video),
            (content.crop.panel.whole, self.on_whole_picture, image),
        ):
            events.on(
                whole,
                back,
                [each.source, each.view],
                lane=bounds.making,
                busy=lambda *_: gr.skip(),
                source=each.source,
            )
        events.on(self.stop.click, self.on_stop)
        for triggers, handler in (
            (
                [self.start.release, self.shape.input, self.slow.input, self.colour.input],
                self.on_choice,
            ),
            (self.strip.begin, self.on_thumbnail),
        ):
            events.on(
                triggers,
                handler,
                [self.plan, self.start, self.button, self.colour],
                lane=bounds.checking,
                options={"trigger_mode": "always_last"},
                **form,
                **choices,
            )

    # -- what is drawn

    def draw(self, session: Session) -> Updates:
        """The panel for what was checked last: hidden when nothing can be or need be done."""
        form, preflight, choices = session.form, session.preflight, session.choices
        if form is None or preflight is None:
            return {}
        report, plan = preflight.report, _plan(preflight.report, form, choices)
        short = any(i.field == "video" and i.code == "video.duration" for i in plan.impossible)
        drawn: Updates = {
            self.start: gr.update(value=choices.start),
            self.shape: gr.update(value=choices.shape),
            self.slow: gr.update(value=choices.slow),
            self.colour: gr.update(value=choices.colour),
        }
        if not {form.image, form.video} & session.repaired.keys():
            drawn[self.done] = gr.update(visible=False)
        # nothing to do, or nothing that can be done: then the cards of the files say why
        if not (plan.needed or short):
            return {**drawn, self.panel: gr.update(visible=False)}
        cut = any(step.code in ("video.trim", "video.cut") for step in plan.steps)
        spare = _spare(plan) if cut else 0.0
        start = min(choices.start, max(spare, 0.0))
        wide = any(f.code == "image.aspect" and f.severity == "error" for f in report.findings)
        label = _label(report) + ("" if plan.required else " (advised)")
        return {
            **drawn,
            self.panel: gr.update(visible=True),
            self.start: gr.update(visible=spare > 0, maximum=max(spare, 0.1), value=start),
            self.shape: gr.update(visible=wide, value=choices.shape),
            self.slow: gr.update(visible=short or choices.slow, value=choices.slow),
            **self._draw_plan(plan),
            self.button: self._press(plan, value=label),
            self.colour: _ground(plan, value=choices.colour),
        }

    def _draw_plan(self, plan: Plan) -> Updates:
        return {
            self.plan: cards.plan(plan, most=CHANGES),
            self.button: self._press(plan),
            self.colour: _ground(plan),
        }

    @staticmethod
    def _press(plan: Plan, **more: Any) -> Any:
        """The button is there only when it can be pressed."""
        able = plan.needed and not plan.impossible
        return gr.update(interactive=able, visible=able, **more)

    def on_checked(self, session: Session) -> Any:
        """Pictures of a clip that is too long, above the slider that says where it begins."""
        form, preflight = session.form, session.preflight
        clip = preflight.report.video if preflight is not None else None
        hidden = gr.update(visible=False, value="")
        if form is None or preflight is None or clip is None:
            return hidden
        long = [f for f in preflight.report.findings if f.code == "video.duration"]
        if not any(f.severity == "error" for f in long):
            return hidden
        try:
            drawn = _thumbnails(clip.path, clip.sha256)
        except KlingError:
            return hidden
        spare = _spare(_plan(preflight.report, form, RepairChoices()))
        apart = clip.duration / THUMBNAILS
        return gr.update(visible=True, value=_frames(drawn, apart, spare))

    # -- what is chosen and done

    def on_choice(
        self,
        session: Session,
        start: float,
        shape: str,
        slow: bool,
        colour: str,
        **form: Any,
    ) -> Any:
        """A choice was changed: what would be done now."""
        asked = Form(**form)
        session.choices = RepairChoices(asked.image, asked.video, start, shape, slow, colour)
        if session.preflight is None:
            return gr.skip()
        return self._draw_plan(_plan(session.preflight.report, asked, session.choices))

    def on_thumbnail(
        self,
        event: gr.EventData,
        session: Session,
        start: float,
        shape: str,
        slow: bool,
        colour: str,
        **form: Any,
    ) -> Any:
        """A thumbnail was chosen: the clip begins there, or as late as it can."""
        at = getattr(event, "at", None)
        if session.preflight is None or isinstance(at, bool) or not isinstance(at, int | float):
            return gr.skip()
        if not 0 <= at < 1e6:
            return gr.skip()
        asked = Form(**form)
        whole = RepairChoices(asked.image, asked.video, 0.0, shape, slow, colour)
        start = min(float(at), _spare(_plan(session.preflight.report, asked, whole)))
        return {self.start: start, **self.on_choice(session, start, shape, slow, colour, **form)}

    async def on_fix(
        self,
        session: Session,
        start: float,
        shape: str,
        slow: bool,
        colour: str,
        **fields: Any,
    ) -> AsyncIterator[Updates]:
        """Do what the plan says; the form then holds the new files."""
        form, about = Form(**fields), session.choices
        session.choices = RepairChoices(about.image, about.video, start, shape, slow, colour).about(
            form
        )
        async for updates in self._repaired(session, form):
            yield updates

    async def on_use(self, session: Session, **fields: Any) -> AsyncIterator[Any]:
        """Keep only the part of the clip that advice finds usable, repaired in the same step."""
        form, advice = Form(**fields), session.advice
        if advice is None or advice.use is None:
            yield gr.skip()
            return
        async for updates in self._cut(session, form, advice.use):
            yield updates

    async def on_cut(
        self, event: gr.EventData, session: Session, **fields: Any
    ) -> AsyncIterator[Any]:
        """Keep only the part between the handles, repaired in the same step. The original stays."""
        clip = session.preflight.report.video if session.preflight is not None else None
        asked = trim.span(event, clip.duration) if clip is not None else None
        if asked is None:
            yield gr.skip()
            return
        async for updates in self._cut(session, Form(**fields), asked):
            yield updates

    async def _cut(
        self, session: Session, form: Form, part: tuple[float, float]
    ) -> AsyncIterator[Updates]:
        start, end = part
        session.choices = replace(session.choices.about(form), start=start, length=end - start)
        yield {self.panel: gr.update(visible=True)}
        async for updates in self._repaired(session, form):
            yield updates

    async def on_crop(
        self, event: gr.EventData, session: Session, **fields: Any
    ) -> AsyncIterator[Any]:
        """Keep only the part in the frame, repaired in the same step. The original stays."""
        picture = session.preflight.report.image if session.preflight is not None else None
        asked = crop.part(event, picture.size) if picture is not None else None
        if asked is None:
            yield gr.skip()
            return
        form = Form(**fields)
        session.choices = replace(session.choices.about(form), crop=asked)
        yield {self.panel: gr.update(visible=True)}
        async for updates in self._repaired(session, form):
            if (path := updates.get(self._image.source)) is not None:
                session.cropped.add(path)
            yield updates
        session.choices = replace(session.choices, crop=None)  # also where it was stopped

    async def on_turn(self, session: Session, **fields: Any) -> AsyncIterator[Any]:
        """Turn upright what advice found turned, repaired in the same step. The original stays."""
        form, known = Form(**fields), session.advice
        if known is None or not known.turned:
            yield gr.skip()
            return
        image, video = (0 if each is None else each.turned for each in (known.image, known.video))
        about = session.choices.about(form)
        session.choices = replace(about, turn_image=image, turn_video=video, crop=None)
        yield {self.panel: gr.update(visible=True)}
        async for updates in self._repaired(session, form):
            if image and (path := updates.get(self._image.source)) is not None:
                session.cropped.add(path)
            yield updates
        session.choices = replace(session.choices, turn_image=0, turn_video=0)

    def on_whole(self, session: Session, source: str) -> Any:
        """The clip that the form's was made from comes back."""
        return self._original(session, self._video, source)

    def on_whole_picture(self, session: Session, source: str) -> Any:
        """The picture that the form's was made from comes back."""
        return self._original(session, self._image, source)

    @staticmethod
    def _original(session: Session, place: ImageInput | VideoInput, source: str) -> Any:
        original = session.repaired.get(source)
        if original is None:
            return gr.skip()
        shown = None if is_url(original) else files.handed(Path(original))
        return {place.source: original, place.view: gr.update(value=shown)}

    async def _repaired(self, session: Session, form: Form) -> AsyncIterator[Updates]:
        """Repair in a thread, telling how far it is."""
        choices = session.choices
        at: list[tuple[float, str]] = [(0.0, "image")]
        session.stop_repair = stop = threading.Event()

        def progress(share: float, what: str) -> None:
            at[0] = (share, what)

        def work() -> Fitted:
            report = session.check(self._client, form, None).report
            plan = _plan(report, form, choices)
            return self._client.repair(plan, on_progress=progress, stop=stop.is_set)

        over = {self.button: gr.update(interactive=True), self.stop: gr.update(visible=False)}
        try:
            await lanes.fetched(self._client, session, form.image, form.video)
            begun = lanes.begin(bounds.making, session, work)
        except Busy as error:
            yield {**over, self.plan: cards.error(error)}
            return
        task = asyncio.wrap_future(begun)
        try:
            while not task.done():
                share, which = at[0]
                what = "the picture" if which == "image" else "the clip"
                head = f"Fixing {what}, {share:.0%}" if begun.running() else "Waiting for its turn"
                yield {
                    self.plan: cards.note(head, "Your own files stay as they are."),
                    self.button: gr.update(interactive=False),
                    self.stop: gr.update(visible=True),
                }
                await asyncio.wait([task], timeout=LOOK_AGAIN)
                if stop.is_set():
                    begun.cancel()  # while it waits; a running one asks by itself
        finally:
            if not task.done():  # the page was closed: nobody asks any more how it ended
                stop.set()
                begun.cancel()
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            fitted = task.result()  # done, perhaps as cancelled
        except (Interrupted, asyncio.CancelledError):
            before = session.preflight
            plan = None if before is None else _plan(before.report, form, choices)
            yield {**over, self.plan: cards.plan(plan, most=CHANGES) if plan else ""}
            return
        except KlingError as error:
            yield {**over, self.plan: cards.error(error)}
            return
        filled: Updates = {self.done: gr.update(value=cards.fitted(fitted), visible=True)}
        for each, original, path in (
            (self._image, form.image, fitted.image),
            (self._video, form.video, fitted.video),
        ):
            if path:
                session.repaired[str(path)] = session.repaired.get(original, original)
                filled[each.source] = str(path)
                filled[each.view] = gr.update(value=files.handed(path))
        yield {**over, **filled}

    def on_stop(self, session: Session) -> None:
        """Nothing of what was begun is kept."""
        session.stop_repair.set()


def one_click_fixable(session: Session, *, files_only: bool = False) -> bool:
    """Does one press make what was checked last ready to be sent? With ``files_only``, does it make both files so?"""
    form, preflight = session.form, session.preflight
    if form is None or preflight is None or preflight.report.ok:
        return False
    # no repair of a file answers those
    if not files_only and any(finding.field == "request" for finding in preflight.report.errors):
        return False
    plan = _plan(preflight.report, form, RepairChoices(), whole=True)
    return plan.required and not plan.impossible


def _plan(report: Report, form: Form, chosen: RepairChoices, *, whole: bool = False) -> Plan:
    """What is done about the files that could be read; ``whole``: also what nothing can be done about."""
    choices = FitChoices(
        start=max(0.0, float(chosen.start or 0)),
        shape="crop" if chosen.shape == CROP else "pad",
        slow=bool(chosen.slow),
        length=chosen.length,
        crop=chosen.crop,
        turn_image=chosen.turn_image,
        turn_video=chosen.turn_video,
    )
    if chosen.colour in {value for _, value in _COLOURS}:
        choices = replace(choices, ground=chosen.colour, behind=chosen.colour)
    choices = left_in_place(choices, report, image=form.image, video=form.video)
    plan = plan_fit(report, choices=choices, character_orientation=form.character_orientation)
    if whole:
        return plan
    return replace(plan, impossible=tuple(i for i in plan.impossible if i.code not in _UNREADABLE))


def _label(report: Report) -> str:
    """What the button says: "all" only where both files can be read."""
    left = {finding.field for finding in report.errors if finding.code in _UNREADABLE}
    if "video" in left:
        return "Fix the picture"
    return "Fix the clip" if "image" in left else "Fix all"


def _ground(plan: Plan, **more: Any) -> Any:
    """The colour is asked for where one is needed: what is added around the picture, and what shows through it."""
    codes = {step.code for step in plan.steps}
    padded, through = "image.pad" in codes, "image.behind" in codes
    blurred = f"Blurred picture{', on white' if through else ''} (usual)"
    choices = [(blurred if padded else "White (usual)", USUAL), *_COLOURS]
    label = "Colour of the ground" if padded else "Colour behind what is see-through"
    return gr.update(visible=padded or through, label=label, choices=choices, **more)


def _spare(plan: Plan) -> float:
    """Seconds of the clip that the plan leaves out."""
    if plan.video is None:
        return 0.0
    return round(max(0.0, plan.video.info.duration - float(plan.video.recipe.taken)), 1)


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
