"""README and docs/ say what is there: links, commands, options and exit codes exist, and the head of the README fits a Space."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
import yaml

from kling_utils import cli, cli_words

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if not link.startswith("https://"):
            name, _, anchor = link.partition("#")
            there = (page.parent / name).resolve()
            assert there.is_file(), link
            assert not anchor or anchor in anchors(there), link


def test_the_readme_leads_to_every_page() -> None:
    assert set(re.findall(r"\(docs/(\w[\w-]*\.md)\)", README.read_text("utf-8"))) == {
        page.name for page in PAGES[1:]
    }


def test_the_head_of_the_readme_is_that_of_a_space() -> None:
    head = yaml.safe_load(README.read_text("utf-8").split("---\n")[1])
    assert (head["sdk"], head["app_file"]) == ("gradio", "app.py")
    assert head["sdk_version"] == version("gradio")
    assert len(head["short_description"]) <= 60


def test_commands_and_their_options_exist() -> None:
    known = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    called = [
        shlex.split(line.partition(" > ")[0])
        for page in PAGES
        for line in re.findall(r"python -m kling_utils ([^`\n]+)", page.read_text("utf-8"))
    ]
    assert len(called) > 15
    for name, *words in called:
        options = {each for param in known[name].params for each in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, (name, words)
    told = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.M)) == set(known)


def test_every_exit_code_is_told() -> None:
    told = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", told, re.M)}
    assert codes == {code for _, code in cli_words._EXIT} | {cli_words.DONE}
