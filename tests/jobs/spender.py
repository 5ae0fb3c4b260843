"""Submit as many requests as are asked for, all at once, in a process of its own: used by test_budget. Prints how many were taken."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from kling_utils.errors import OverBudget
from kling_utils.jobs.client import Client
from kling_utils.jobs.timing import Pace
from kling_utils.settings import load
from kling_utils.values import MotionRequest

image, video, name, count = sys.argv[1:]


def submitted(number: int) -> int:
    try:
        client.submit(MotionRequest(image, video, prompt=f"{name} {number}"))
    except OverBudget:
        return 0
    return 1


with Client(load(), pace=Pace(interval=0.01, adopt_every=0.05)) as client:
    client.check(image, video)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(5) as pool:
        taken = sum(pool.map(submitted, range(int(count))))
    sys.stdout.write(f"{taken}\n")
    sys.stdout.flush()
    sys.stdin.readline()  # what was sent is written down
