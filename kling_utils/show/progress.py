"""Progress on a terminal or in a notebook (a bar) and in a pipe or log (plain lines); and events in words."""

from __future__ import annotations

import sys
from typing import Any, Self, TextIO

from kling_utils import events as ev
from kling_utils.show.words import seconds
from kling_utils.values import counted, printable


def describe(event: ev.Event) -> str:
    """One event in one line."""
    return printable(_described(event))


def _described(event: ev.Event) -> str:
    match event:
        case ev.Checked(report=report, quote=cost):
            warned = f", with {counted(len(report.warnings), 'warning')}" if report.warnings else ""
            return f"checked: ready to send{warned}; {cost or 'cost not known'}"
        case ev.Published(how=how):
            return f"the clip can be fetched ({how})"
        case ev.Submitted(task_id=task_id):
            return f"accepted as task {task_id}"
        case ev.Unconfirmed(trouble=trouble) | ev.Failed(trouble=trouble):
            return trouble.message
        case ev.Queued(place=place):
            return "in the queue" + (f", place {place}" if place else "")
        case ev.Processing(progress=progress, eta=eta):
            return (
                "making the video"
                + (f", {progress} %" if progress is not None else "")
                + (f", about {seconds(eta)} left" if eta else "")
            )
        case ev.Note(text=text):
            return text
        case ev.StillRunning(hint=hint):
            return f"still running. {hint}"
        case ev.Downloading(done=done, total=total):
            return f"saving the result, {done / 1e6:.1f}" + (
                f" of {total / 1e6:.1f} MB" if total else " MB"
            )
        case ev.Succeeded(video=video, draft=draft):
            return f"saved{' (a local draft)' if draft else ''}: {video}"


class _Bar:
    """A bar of 100 parts on a terminal and in a notebook; ``_bar`` is None in a pipe, and when ``quiet``."""

    def __init__(self, what: str, file: TextIO | None, *, quiet: bool, leave: bool) -> None:
        self._what, self._file, self._quiet = what, file or sys.stderr, quiet
        self._leave = leave
        self._bar: Any = None

    def __enter__(self) -> Self:
        if not self._quiet and (self._file.isatty() or "ipykernel" in sys.modules):
            from tqdm import tqdm

            self._bar = tqdm(
                total=100,
                file=self._file,
                desc=self._what,
                bar_format="{desc} |{bar:30}| {elapsed}",
                leave=self._leave,
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _say(self, line: str) -> None:
        if not self._quiet:
            self._file.write(line + "\n")
            self._file.flush()


class EventBar(_Bar):
    """Shows events: call it with each. Writes to stderr, so that stdout stays for results."""

    def __init__(self, *, quiet: bool = False, file: TextIO | None = None) -> None:
        super().__init__("", file, quiet=quiet, leave=True)

    def __call__(self, event: ev.Event) -> None:
        if isinstance(event, ev.Failed | ev.Unconfirmed):
            return  # the error that follows says it
        if self._bar is None:
            self._say(describe(event))
            return
        match event:
            case ev.Note(text=text):
                self._bar.write(text, file=self._file)
                return
            case ev.Processing(progress=int(progress)):
                self._bar.n = progress
            case ev.Downloading() | ev.Succeeded():
                self._bar.n = 100
            case _:
                pass
        self._bar.set_description_str(describe(event), refresh=True)


class ProgressBar(_Bar):
    """A share from 0 to 1: call it with each. A line for each quarter in a pipe."""

    def __init__(self, what: str, file: TextIO | None = None, *, quiet: bool = False) -> None:
        super().__init__(what, file, quiet=quiet, leave=False)
        self._quarter = 0

    def __call__(self, share: float) -> None:
        if self._bar is not None:
            self._bar.update(100 * share - self._bar.n)
        elif (quarter := int(4 * share)) > self._quarter:
            self._quarter = quarter
            self._say(f"{self._what}, {25 * quarter} %")
