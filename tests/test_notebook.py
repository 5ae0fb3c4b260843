"""The notebook, from top to bottom, without a key, from a home that is empty."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import kling_utils

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "motion_control.ipynb"


@pytest.mark.filterwarnings(
    "ignore"
)  # the kernel's own libraries warn; the cells are what is tested
def test_it_runs_and_shows_the_result(tmp_path: Path) -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(
        str(out.get("data", {}).get("text/html", ""))
        for cell in book.cells
        if cell.cell_type == "code"
        for out in cell.outputs
    )
    assert "Video length" in shown
    assert "data:video/mp4;base64," in shown
    assert "<iframe" in shown, "the stage"
    assert "Money spent: no" in str(book.cells)
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_it_holds_no_output_and_imports_public_names_only() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not [cell for cell in code if cell.outputs or cell.execution_count]
    for cell in code:
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.Import)
            if isinstance(node, ast.ImportFrom):
                assert node.module == "kling_utils"
                assert {alias.name for alias in node.names} <= set(kling_utils.__all__)
