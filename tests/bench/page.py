"""How fast the page is there, and how fast it answers a file, in one run: ``python tests/bench/page.py``.

Two questions. Start: seconds from the start of ``python app.py`` to its first answered request, beside a process that only imports gradio
(goal: within 2 s of it) and, to tell our part from gradio's, beside a page of gradio with nothing on it. Files: seconds from the end of
the upload of a picture, and of a clip of 5 MB, to its report card in the real page (goal: 1 s); each time a new visitor and new bytes, so
that nothing is remembered. The server's first visitor stands apart: modules may still be on their way in.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.served import chromium, serving, watching
from PIL import Image

from kling_utils import examples
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video

ROOT = Path(__file__).resolve().parents[2]
STARTS, VISITS = 5, 7
BEHIND_GRADIO, TO_THE_CARD = 2.0, 1.0
MEGABYTES = 5.0
BARE = "import gradio as gr, os\nwith gr.Blocks() as page: gr.HTML('')\npage.launch(server_port=int(os.environ['GRADIO_SERVER_PORT']))"
# The browser's own clock for both ends: when the answer to the upload was there, and when the card stood in the page.
WATCH = """(name) => {
  window.took = new Promise((done) => {
    const seen = () => {
      if (!document.querySelector(`#${name}-report .kc-report-card`)) return requestAnimationFrame(seen);
      const now = performance.now(), sent = performance.getEntriesByType('resource').filter((e) => e.name.includes('/upload?'));
      done((now - Math.max(...sent.map((e) => e.responseEnd))) / 1000);
    };
    seen();
  });
}"""


def environment(folder: Path, port: int) -> dict[str, str]:
    """This one's, without what would change the page, and with a home of its own."""
    plain = {
        k: v
        for k, v in os.environ.items()
        if not k.upper().startswith(("NOVITA_", "KLING_", "SPACE_", "GRADIO_"))
    }
    ours = {
        "KLING_HOME": str(folder / "home"),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    return plain | ours | {"GRADIO_SERVER_PORT": str(port), "HOME": str(folder)}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answered(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the first line of an answer is there; a question that is refused costs next to nothing."""
    while process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=60) as line,
        ):
            line.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            if line.recv(12).endswith(b" 200"):
                return
        time.sleep(0.01)
    raise SystemExit("the page does not start")


def started(command: list[str], *, answers: bool) -> float:
    """Seconds from the start of a process to its first answer, or to its end."""
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(Path(name), port),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if answers:
                answered(port, process)
            else:
                process.wait()
            return time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait()


def clip(folder: Path) -> Path:
    """A clip of about 5 MB: a real one from beside the project where it is, else a drawn one, again and again."""
    real = ROOT.parent / "shared/media/video/dance_fullbody_12s.mp4"
    source, seconds, out = (
        (real if real.is_file() else examples.VIDEOS[0].path),
        11.5,
        folder / "clip.mp4",
    )
    rate = f"{MEGABYTES * 8e6 / seconds:.0f}"
    grain = [
        "-vf",
        "scale=720:-2,noise=alls=12:allf=t",
        *ffmpeg.H264,
        "-preset",
        "veryfast",
        "-an",
        "-t",
        str(seconds),
    ]
    bits = ["-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate]
    ffmpeg.run(["-stream_loop", "9", *ffmpeg.source(source), *grain, *bits, str(out)], timeout=600)
    return out


def picture(number: int, folder: Path) -> Path:
    """The first drawn character at the size of a photograph, with grain, which is never the same twice."""
    made = folder / f"picture-{number}.jpg"
    with Image.open(examples.IMAGES[0].path) as drawn:
        large = drawn.convert("RGB").resize((2400, 2400 * drawn.height // drawn.width))
    Image.blend(large, Image.effect_noise(large.size, 50).convert("RGB"), 0.25).save(
        made, quality=92
    )
    return made


def again(number: int, source: Path, folder: Path) -> Path:
    """The same clip in other bytes."""
    made = folder / f"clip-{number}.mp4"
    ffmpeg.run(
        [*ffmpeg.source(source), "-c", "copy", "-metadata", f"comment={number}", str(made)],
        timeout=60,
    )
    return made


def to_the_card(page: Any, name: str, file: Path) -> float:
    page.evaluate(WATCH, name)
    page.set_input_files(f"#{name} input[type=file]", file)
    return float(page.evaluate("window.took"))


def visits(folder: Path) -> Iterator[dict[str, float]]:
    """One visitor after the other, each with a picture and then a clip."""
    source = clip(folder)
    print(
        f"a picture of {picture(0, folder).stat().st_size / 1e6:.1f} MB; a clip of {source.stat().st_size / 1e6:.1f} MB, ",
        end="",
    )
    print(f"{float(probe_video(source).duration):.1f} s")
    with chromium() as browser, serving(folder) as served:
        for number in range(1, VISITS + 2):
            files = {"image": picture(number, folder), "video": again(number, source, folder)}
            with watching(browser) as seen:
                seen.page.goto(served.url)
                seen.page.wait_for_selector("#video-examples .strip-card")
                yield {name: to_the_card(seen.page, name, file) for name, file in files.items()}


def main() -> int:
    today = datetime.datetime.now(datetime.UTC).date()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {today}, Python {platform.python_version()}\n"
    )
    ways = {
        "import gradio": (["-c", "import gradio"], False),
        "an empty page": (["-c", BARE], True),
        "app.py": (["app.py"], True),
    }
    starts: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(STARTS + 1):  # interleaved, so that a busy moment hits all of them
        for name, (command, answers) in ways.items():
            took = started(command, answers=answers)
            if number:  # the first round fills the disk's cache
                starts[name].append(took)
    middle = {name: statistics.median(each) for name, each in starts.items()}
    print(
        f"start, median of {STARTS}: "
        + ", ".join(f"{name} {took:.2f} s" for name, took in middle.items())
    )
    print(
        "    each: "
        + "; ".join(f"{name} {' '.join(f'{t:.2f}' for t in each)}" for name, each in starts.items())
    )
    behind = middle["app.py"] - middle["import gradio"]
    print(
        f"app.py answers {behind:.2f} s after `import gradio` alone (goal: at most {BEHIND_GRADIO:.0f} s),"
    )
    print(
        f"    {middle['app.py'] - middle['an empty page']:.2f} s after a page with nothing on it\n"
    )
    with tempfile.TemporaryDirectory() as name:
        first, *rest = visits(Path(name))
    slowest = 0.0
    for field, says in (("image", "a picture"), ("video", "a clip")):
        each = [visit[field] for visit in rest]
        slowest = max(slowest, statistics.median(each))
        all_of_them = " ".join(f"{t:.2f}" for t in each)
        print(
            f"from the end of the upload of {says} to its card: median {statistics.median(each):.2f} s of {len(each)} ({all_of_them}),"
        )
        print(f"    the server's first visitor {first[field]:.2f} s (goal: {TO_THE_CARD:.0f} s)")
    return 0 if behind <= BEHIND_GRADIO and slowest <= TO_THE_CARD else 1


if __name__ == "__main__":
    raise SystemExit(main())
