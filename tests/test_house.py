"""The house: rooms on floors, imports only point down, and ``import kling_utils`` is cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kling_utils

ROOT = Path(kling_utils.__file__).parent
FLOOR = {
    **dict.fromkeys(("values", "errors", "events", "settings"), 0),
    **dict.fromkeys(("media", "examples"), 1),
    **dict.fromkeys(("preflight", "draft", "review"), 2),
    **dict.fromkeys(("show", "providers"), 3),
    **dict.fromkeys(
        ("jobs", "cli_words"), 4
    ),  # the words know no runner: a command hands them what it has
    **dict.fromkeys(("studio", "serve", "quick", "cli_jobs"), 5),
    "cli": 6,
}
UPWARDS = {("values", "show")}  # Shown._repr_html_: values stay cheap to import
HEAVY = (
    "gradio",
    "moviepy",
    "cv2",
    "ai_edge_litert",
    "fastapi",
    "sqlalchemy",
    "pandas",
    "requests",
    "pydantic",
    "numpy",
    "PIL",
)


def imports() -> list[tuple[str, str, Path]]:
    """(room, imported room, file) of every import inside the package."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):  # the doors themselves
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{path}: a relative import hides which room it enters"
                names = (
                    [f"{node.module}.{alias.name}" for alias in node.names]
                    if node.module == "kling_utils"
                    else [node.module]
                )
            found += [
                (room, name.split(".")[1], path)
                for name in names
                if name.startswith("kling_utils.")
            ]
    return found


def test_imports_only_point_down() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {room} imports {other}"
        for room, other, path in imports()
        if room != other and (room, other) not in UPWARDS and FLOOR[other] >= FLOOR[room] > 0
    ]
    assert wrong == []


def test_floor_zero_stands_on_nothing() -> None:
    assert {
        (room, other) for room, other, _ in imports() if FLOOR[room] == 0 and FLOOR[other] > 0
    } == UPWARDS


def test_only_the_page_imports_gradio() -> None:
    places = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (
            isinstance(node, ast.Import)
            and any(a.name.split(".")[0] == "gradio" for a in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gradio")
    }
    others = {place for place in places if not place.startswith("studio/")}
    assert others == {"providers/tunnel.py"}, "its share tunnel, at first use"


def test_only_settings_reads_the_environment() -> None:
    reads = re.compile(r"os\.environ|getenv|getproxies\(")
    readers = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if reads.search(path.read_text("utf-8"))
    }
    assert readers == {
        "settings.py",
        "draft/process.py",
    }  # the latter hands it down to the worker, without the keys


def test_import_is_cheap() -> None:
    code = f"import sys, kling_utils; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        == []
    )


@pytest.mark.parametrize("name", kling_utils.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(kling_utils, name) is not None
    assert name in dir(kling_utils)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = kling_utils.nonsense


def test_every_room_says_what_it_is() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in ROOT.rglob("*.py")
        if not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ]
    assert silent == []


def test_no_file_holds_both_sides_of_a_merge() -> None:
    top = ROOT.parent
    kinds = ("*.py", "*.css", "*.js", "*.html", "*.md", "*.ipynb")
    places = (ROOT, top / "docs", top / "tests", top / "notebooks")
    files = [path for place in places for kind in kinds for path in place.rglob(kind)]
    marks = re.compile(rb"^(<{7}|>{7}) ", re.M)
    assert len(files) > 100
    assert [path.name for path in files if marks.search(path.read_bytes())] == []
