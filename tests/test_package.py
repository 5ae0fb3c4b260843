"""What `pip install .` gives: built as a wheel, used from another folder, with its data files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

USE = """
import kling_utils
from kling_utils import MotionRequest, Runner, examples
assert {place!r} in kling_utils.__file__, kling_utils.__file__
with Runner.from_env() as runner:
    report = runner.check(MotionRequest(examples.IMAGES[0].path, examples.VIDEOS[0].path))
    assert report.ok, report
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
    assert sum(n.endswith(".tflite") for n in names) == 6
    assert any(n.endswith("NOTICE") for n in names)
    assert "Requires-Dist: gradio==6.31.0" in metadata
    assert not [n for n in names if "test" in n.lower()]
