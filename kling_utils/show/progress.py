"""The stream of a job as a progress bar (terminal, notebook) or as plain lines (pipe, log). Owns the words of events."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, TextIO

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


class Bar:
    """Shows events as they come: call it with each. Writes to stderr, so that stdout stays for results."""

    def __init__(self, *, quiet: bool = False, file: TextIO | None = None) -> None:
        self._file = file or sys.stderr
        self._quiet = quiet
        self._lines = not (self._file.isatty() or "ipykernel" in sys.modules)
        self._bar: Any = None

    def __enter__(self) -> Bar:
        if not (self._quiet or self._lines):
            from tqdm import tqdm

            self._bar = tqdm(
                total=100, file=self._file, bar_format="{desc} |{bar:30}| {elapsed}", leave=True
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, event: ev.Event) -> None:
        # the error that follows says it
        if self._quiet or isinstance(event, ev.Failed | ev.Unconfirmed):
            return
        if self._bar is None:
            self._file.write(describe(event) + "\n")
            self._file.flush()
            return
        bar = self._bar
        match event:
            case ev.Processing(progress=int(progress)):
                bar.n = progress
            case ev.Downloading() | ev.Succeeded():
                bar.n = 100
            case ev.Note(text=text):
                bar.write(text, file=self._file)
                return
            case _:
                pass
        bar.set_description_str(describe(event), refresh=True)


class ProgressBar:
    """A share of one from 0 to 1: a bar on a terminal and in a notebook, a line for each quarter in a pipe."""

    def __init__(self, what: str, file: TextIO | None = None, *, quiet: bool = False) -> None:
        self._what, self._file, self._quiet = what, file or sys.stderr, quiet
        self._bar: Any = None
        self._told = 0

    def __enter__(self) -> ProgressBar:
        if not self._quiet and (self._file.isatty() or "ipykernel" in sys.modules):
            from tqdm import tqdm

            self._bar = tqdm(
                total=100,
                file=self._file,
                desc=self._what,
                bar_format="{desc} |{bar:30}| {elapsed}",
                leave=False,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, share: float) -> None:
        if self._bar is not None:
            self._bar.update(100 * share - self._bar.n)
        elif not self._quiet and (quarter := int(4 * share)) > self._told:
            self._told = quarter
            self._file.write(f"{self._what}, {25 * quarter} %\n")
            self._file.flush()
