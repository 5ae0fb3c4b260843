"""Run a request in a process of its own and end that process, without a word, when a numbered step is done: used by test_crash."""

from __future__ import annotations

import os
import sys

from kling_utils.jobs.client import Client
from kling_utils.jobs.timing import Pace
from kling_utils.settings import load
from kling_utils.values import MotionRequest

step, image, video = sys.argv[1:]


def end(done: str) -> None:
    if done == step:
        os._exit(9)


Client(load(), pace=Pace(interval=0.01, adopt_every=0.05), after=end).run(
    MotionRequest(image, video, prompt="a bright studio"), progress=False
)
