"""Take against take: two results on the stage instead of a job, with their names or, until a vote, without."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.media import bounds
from kling_utils.media.probe import probe_video
from kling_utils.show import cards, stage, words
from kling_utils.studio import notices, routes
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Pair, Session
from kling_utils.studio.theme import static
from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.studio.gallery import Gallery
    from kling_utils.studio.results import ResultAnalyses

SIDES = {"left": "Left", "right": "Right"}


class Comparison:
    """The panel over the stage while two takes are compared; ``none`` is its value while there are none."""

    none: dict[str, Any] = {"mode": "off"}  # noqa: RUF012 - never changed

    def __init__(
        self, client: Client, analyses: ResultAnalyses, rng: random.Random | None = None
    ) -> None:
        self._client, self._analyses = client, analyses
        self._rng = rng or random.Random()  # noqa: S311 - which side a take stands on
        self.panel = gr.HTML(
            self.none,
            html_template=static("comparison.html"),
            js_on_load=static("comparison.js"),
            apply_default_css=False,
            elem_id="comparison",
        )

    def bind(self, events: Events, stage_panel: Any, gallery: Gallery, notice: Any) -> None:
        """``notice`` is where it is said why two takes cannot be compared."""
        self._stage, self._gallery, self._notice = stage_panel, gallery, notice
        drawn = [self.panel, stage_panel, gallery.panel, notice]
        events.on(gallery.panel.compare, self.on_compare, [notice], opens=True)
        events.on(self.panel.back, self.on_back, opens=True)
        how: dict[str, Any] = {  # the clips on the stage are measured
            "lane": bounds.checking,
            "busy": lambda error, _: {notice: notices.closable(cards.error(error))},
        }
        events.on(self.panel.blind, self.on_blind, drawn, **how)
        events.on(self.panel.vote, self.on_vote, drawn, **how)

    def on_compare(self, event: gr.EventData, session: Session) -> str:
        """Two takes were chosen in the gallery, the first of them for the left; ``blind`` shuffles them."""
        sides = [str(getattr(event, name, "")) for name in ("left", "right")]
        try:
            self._client.pair(*sides, owner=session.visitor.sees)
        except KlingError as error:
            return notices.closable(cards.error(error))
        except ValueError:
            return notices.closable(notices.gone())
        blind = getattr(event, "blind", None) is True
        session.compare(self._pair(session, *sides, blind=blind))
        return ""

    @staticmethod
    def on_back(session: Session) -> None:
        """Back to the job that was open, or to none."""
        session.open(session.job_id)

    def on_blind(self, session: Session) -> Updates:
        """The same two once more, without their names."""
        if session.pair is not None:
            session.pair = self._pair(session, session.pair.left, session.pair.right, blind=True)
        return self._news(session)

    def on_vote(self, event: gr.EventData, session: Session) -> Updates:
        """One side was found better, or none. Counts once, and only while the names are hidden."""
        pair, said = session.pair, ""
        choice: Any = getattr(event, "choice", "")
        if pair is not None and pair.blind and pair.vote is None:
            try:
                owner = session.visitor.sees
                vote = self._client.vote(pair.left, pair.right, choice, owner=owner)
                session.pair = replace(pair, vote=vote)
            except KlingError as error:
                said = notices.closable(cards.error(error))
        return self._news(session) | {self._notice: said}

    def check(self, session: Session) -> None:
        """After a job was deleted: where it was one of the two, back to the open job."""
        if session.pair is not None and self.jobs(session) is None:
            session.open(session.job_id)

    def _pair(self, session: Session, left: str, right: str, *, blind: bool) -> Pair:
        swap = blind and self._rng.random() < 0.5
        number = 1 if session.pair is None else session.pair.round + 1
        return Pair(*((right, left) if swap else (left, right)), blind=blind, round=number)

    def jobs(self, session: Session) -> tuple[Job, Job] | None:
        """The two takes; None while none are compared, or where one is gone."""
        pair = session.pair
        if pair is None:
            return None
        try:
            return self._client.pair(pair.left, pair.right, owner=session.visitor.sees)
        except KlingError:
            return None

    def measured(self, session: Session) -> bool:
        """Is the motion of both known, as far as it can be? Begins to measure it."""
        jobs = self.jobs(session)
        return jobs is None or None not in [self._analyses.of(job) for job in jobs]

    def _news(self, session: Session) -> Updates:
        return self.draw(session, self._stage) | {self._gallery.panel: self._gallery.value(session)}

    # -- what is drawn

    def draw(self, session: Session, stage_panel: Any) -> Updates:
        """Panel and stage of the two takes; where one is gone, neither."""
        pair, jobs = session.pair, self.jobs(session)
        if pair is None or jobs is None:
            return {self.panel: self.none, stage_panel: stage.nothing()}
        hidden = pair.blind and pair.vote is None
        labels = list(SIDES.values()) if hidden else words.pair(*jobs)
        return {
            self.panel: _value(pair, jobs, labels),
            stage_panel: self._on_stage(pair, jobs, labels),
        }

    def _on_stage(self, pair: Pair, jobs: tuple[Job, Job], labels: list[str]) -> stage.Value:
        left, right = (routes.data(job, job.video) for job in jobs)
        known = [self._analyses.of(job) for job in jobs]
        strips = [found.motion.get("b") if found and found.motion else None for found in known]
        fps = float(probe_video(jobs[0].video).frame_rate) if jobs[0].video else None
        motion = stage.Motions(a=strips[0], b=strips[1])
        return stage.against(left, right, labels, round_=pair.round, fps=fps, motion=motion)


def _value(pair: Pair, jobs: tuple[Job, Job], labels: list[str]) -> dict[str, Any]:
    """As ``comparison.js`` reads it. Says nothing of the takes before the vote."""
    value: dict[str, Any] = {
        "mode": "open" if not pair.blind else "told" if pair.vote else "blind",
        "pair": " ".join(sorted((pair.left, pair.right))),
    }
    if value["mode"] == "blind":
        return value
    for side, job, label in zip(SIDES, jobs, labels, strict=True):
        value[side] = {"name": label, "facts": _facts(job), "note": job.note}
    if pair.vote is not None:
        chosen = dict(zip(SIDES, labels, strict=True)).get(pair.vote.choice)
        value["chosen"] = pair.vote.choice
        value["said"] = (
            f"You chose {pair.vote.choice}: {chosen}." if chosen else "You saw no difference."
        )
    return value


def _facts(job: Job) -> str:
    """What tells the take from the other, in one line."""
    return ", ".join(
        each
        for each in (
            words.maker(job),
            words.ORIENTATION[job.request.character_orientation].lower(),
            f"take {job.take}" if job.take > 1 else "",
            words.RATING[job.rating].lower(),
            words.standing(job),
        )
        if each
    )
