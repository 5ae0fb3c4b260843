"""What `pip install .` gives: built as a wheel, used from another folder, with its data files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]

USE = """
import kling_utils
from kling_utils import MotionRequest, Client, examples
assert {place!r} in kling_utils.__file__, kling_utils.__file__
with Client() as runner:
    report = runner.check(MotionRequest(examples.IMAGES[0].path, examples.VIDEOS[0].path))
    assert report.ok, report
    assert all(pair.result.is_file() for pair in examples.PAIRS)
    html = report._repr_html_()
    assert "Video length" in html
from kling_utils.media.pose import PoseTracker
PoseTracker()
import kling_utils.studio.theme
assert kling_utils.studio.theme.css()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    shutil.copytree(
        ROOT / "kling_utils", source / "kling_utils", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(out),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    env = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", USE.format(place=str(place))],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_wheel_has_what_it_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    assert {n.split("/")[0] for n in names if ".dist-info" not in n} == {"kling_utils"}
    assert sum(n.endswith((".tflite", ".onnx")) for n in names) == 9
    assert any(n.endswith("NOTICE") for n in names)
    assert "Requires-Dist: gradio==6.31.0" in metadata
    assert not [n for n in names if "test" in n.lower()]


# What reads or writes bytes of files, and the page: the app and the Space get exactly what the tests ran with.
PINNED = {
    "ai-edge-litert",
    "gradio",
    "imageio-ffmpeg",
    "moviepy",
    "opencv-python-headless",
    "pillow",
    "pillow-heif",
}


def test_the_app_installs_pins_that_lie_within_the_ranges_of_the_wheel() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    app = {each.name: each for each in (Requirement(line.partition(" #")[0]) for line in wanted)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wheel = {each.name: each for each in map(Requirement, project["dependencies"])}
    assert app.keys() == wheel.keys()
    assert all(line.partition(" # ")[2].strip() for line in wanted), "each line has its reason"
    for name, requirement in app.items():
        if name in PINNED:
            (pin,) = requirement.specifier
            assert pin.operator == "==", requirement
            assert wheel[name].specifier.contains(pin.version), requirement
            assert version(name) == pin.version, "the tests run with what the app installs"
        elif requirement.specifier != wheel[name].specifier:
            (pin,) = requirement.specifier
            assert pin.operator == "==", requirement
            assert wheel[name].specifier.contains(pin.version), requirement
    for name in ("pillow", "numpy", "opencv-python-headless"):  # what notebooks bring
        assert all(each.operator != "==" for each in wheel[name].specifier), name
