"""The stage in a notebook's cell: the offline page, in a frame of its own, over small copies of the clips.

Owns the frame and which clips stand in it. The originals are not embedded: a notebook must stay a
file that opens.
"""

from __future__ import annotations

import functools
import html
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kling_utils.errors import InvalidRequest, KlingError
from kling_utils.media.probe import probe_video
from kling_utils.show import cards, offline, proxies, words
from kling_utils.show.progress import ProgressBar
from kling_utils.values import Result

HEIGHT = 720
"""Pixels of the frame, until the page in it has said how high it is."""

NO_PLAYER = (
    "The player needs scripts. If it is not shown, trust this notebook or run the cell again; "
    "save() writes the player as a page."
)


class Stage:
    """Reference and result in step, in a cell: ``Stage(result)``, or ``Stage(one, another)`` for several takes of one reference.

    ``save`` writes the same as a page, over the clips as they are. Raises ``InvalidRequest`` for results of different references.
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
        title = f"{first.job.image_name} × {first.job.video_name}"
        return self._write(
            Path(out),
            first.reference,
            [each.video for each in self.results],
            first.image,
            title=title,
        )

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
        with tempfile.TemporaryDirectory(prefix="cell-") as folder:
            room = Path(folder)
            first = self.results[0]
            sources = [first.reference, *(each.video for each in self.results)]
            clips = []
            with ProgressBar("preparing the stage") as bar:
                for n, path in enumerate(sources):
                    clips.append(proxies.small(path, room / f"{n}.mp4"))
                    bar((n + 1) / len(sources))
            image = proxies.small_image(first.image, room / "image.jpg")
            still = proxies.still(clips[0], clips[1])
            foot = "Small copies of the clips, inside this cell; save() writes a page with the clips as they are."
            page = self._write(room / "page.html", clips[0], clips[1:], image, foot=foot).read_text(
                "utf-8"
            )
        shown = f'title="Reference and result, in step" allow="fullscreen" style="width:100%;height:{HEIGHT}px;border:0"'
        # The page in the frame hides the still before it. A notebook that is not trusted drops the frame.
        stand_in = cards.inlined(f'<div class="kc">{still}<p class="kc-do">{NO_PLAYER}</p></div>')
        return f'<div>{stand_in}<iframe {shown} srcdoc="{html.escape(page)}"></iframe></div>'

    def _write(
        self,
        out: Path,
        reference: Path,
        videos: Sequence[Path],
        image: Path,
        *,
        title: str = "",
        foot: str = "",
    ) -> Path:
        jobs = [each.job for each in self.results]
        alone = len(jobs) == 1
        names = ["Reference", *(["Result"] if alone else words.takes(jobs))]
        draft = alone and jobs[0].draft  # the names of several say it themselves
        return offline.write_page(
            reference, videos, out, labels=names, title=title, image=image, draft=draft, foot=foot
        )
