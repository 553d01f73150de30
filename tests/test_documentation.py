"""The documentation cannot rot: its examples run, its commands parse, its links lead somewhere.

`BONEAGE_WRITE_EXAMPLES=1 pytest tests/test_documentation.py` writes what came into the pages, where it differs.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import re
import runpy
from pathlib import Path

import pytest

from boneage.cli import build_parser, main
from tests.documentation import ROOT, Block, Example, blocks, difference, examples, words
from tests.documentation_store import DemoVersions

DOCS = ROOT / "docs"
RUN = [ROOT / "README.md", *sorted(DOCS.glob("tutorials/*.md")), DOCS / "reference" / "python.md", DOCS / "why.md"]
"""The pages whose examples are run; of all others the commands are only parsed."""
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"))]
OTHERS = {"createdb", "export", "mlflow", "optuna-dashboard", "pip", "ray"}
"""Programs of others, which are not looked at."""
WRITE = bool(os.environ.get("BONEAGE_WRITE_EXAMPLES"))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def one_loading():
    """Let every example have the same open cascade: loading one takes seconds."""
    from boneage.registry import opening

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open_shipped", functools.cache(opening.open_shipped))
        yield


@pytest.fixture
def place(one_loading, tmp_path, monkeypatch):
    """An empty folder to be in, without a store."""
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def versions(place, store, monkeypatch):
    """Versions in place of those that the maintainer's tutorial trains; the first is the champion."""
    made = DemoVersions(place, monkeypatch)
    made.champion()
    return {"epochs=12": made.worse, "routing=soft": made.alike}


@pytest.mark.parametrize("page", [page for page in RUN if page.is_file()], ids=name)
def test_examples_give_what_the_page_shows(page, place, request):
    trained = request.getfixturevalue("versions") if page.stem == "maintainer" else {}
    names: dict[str, object] = {"__name__": "example"}
    wrong = []
    found = blocks(page)
    for block, after in itertools.zip_longest(found, found[1:]):
        if block.mark == "parsed only":
            for register in (register for setting, register in trained.items() if setting in block.text):
                register()
            continue
        if block.language == "console":
            wrong += [each for example in examples(block) for each in run_command(block, example)]
        if block.language == "python":
            shown = after.text if after is not None and after.language == "text" else None
            wrong += run_python(block, shown, names)
    assert not wrong, "\n\n".join(wrong)


def run_command(block: Block, example: Example):
    """Run the command of an example in this process; yield what is wrong with it."""
    out = io.StringIO()
    status = 0
    for command in words(example.command):
        if command[0] != "boneage":
            yield f"{block.place}: only `boneage` is run, mark this block as parsed only: {example.command}"
            return
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = main(command[1:])
    if bool(status) != (block.mark == "fails"):
        yield f"{block.place}: exit status {status}: {example.command}\n{out.getvalue()}"
    yield from compared(block, example.output, out.getvalue())


def run_python(block: Block, shown: str | None, names: dict[str, object]):
    """Run a block of Python in the names that its page has made so far; yield what is wrong with it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block.text, block.place, "exec"), names)  # noqa: S102 (our own documentation)
    yield from compared(block, shown, out.getvalue())


def compared(block: Block, shown: str | None, came: str):
    """Yield how an output differs from the one shown, or write it into the page if that was asked for."""
    wrong = None if shown is None else difference(shown, came, any_figures=block.mark == "any figures")
    if wrong and WRITE:
        text = block.page.read_text(encoding="utf-8")
        block.page.write_text(text.replace(shown.strip("\n"), came.strip("\n"), 1), encoding="utf-8")
    elif wrong:
        yield f"{block.place}: {wrong}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_have_the_options_that_the_page_gives_them(page):
    for block in blocks(page):
        if block.language == "console":
            assert examples(block), f"{block.place}: no line begins with `$ `"
            for command in (one for example in examples(block) for one in words(example.command)):
                check_command(command, f"{block.place}: {' '.join(command)}")


def check_command(command: list[str], where: str) -> None:
    """Parse a command as its program would, without running it."""
    program, *rest = command
    if program == "boneage":
        parse(build_parser(rest[0]).parse_args, rest, where)
    elif program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert all(word in targets or "=" in word for word in rest), where
    elif program == "python":
        check_python(rest, where)
    else:
        assert program in OTHERS, f"unknown program in {where}"


def check_python(rest: list[str], where: str) -> None:
    """Parse `python app.py` and `python -m tuning`; of other files, ask that they exist and know the options."""
    if rest[:2] == ["-m", "tuning"]:
        from tuning.__main__ import parser

        parse(parser().parse_args, rest[2:], where)
    elif rest[0] == "app.py":
        parse(runpy.run_path(str(ROOT / "app.py"))["parse"], rest[1:], where)
    elif rest[:2] != ["-m", "pytest"]:
        path, options = (rest[1].replace(".", "/"), rest[2:]) if rest[0] == "-m" else (rest[0], rest[1:])
        files = [ROOT / path, ROOT / f"{path}.py", *(ROOT / path).glob("*.py")]
        text = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
        assert text, f"no such program in {where}"
        for option in options:
            assert not option.startswith("--") or f'"{option.split("=")[0]}"' in text or option == "--set", where


def parse(parser, arguments: list[str], where: str) -> None:
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            parser(arguments)
    except SystemExit as ended:
        assert ended.code == 0, f"{where}\n{said.getvalue()}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have, as GitHub and MkDocs both make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    made = {re.sub(r"[^\w\- ]", "", title.lower()).strip() for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    return {re.sub(r"[\s]+", "-", title) for title in made} | set(re.findall(r'(?:id="|\{ ?#)([\w-]+)', text))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings_that_exist(page):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', text):
        link = "".join(target)
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (page.parent / path) if path else page
        # Pages of rooms are made when the site is built.
        made = file.parent.name == "reference" and (ROOT / "boneage" / file.stem).is_dir()
        assert made or file.exists(), f"{name(page)}: {link}"
        assert made or not anchor or file.suffix != ".md" or anchor in anchors(file), f"{name(page)}: {link}"


def test_every_page_has_a_place_in_the_menu():
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f" {page.relative_to(DOCS).as_posix()}\n" in site, f"{name(page)} is in no menu of mkdocs.yml"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_of_the_project_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:boneage|tuning|tests|benchmarks|configs|docs)/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), f"{name(page)}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_name_no_machine(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(work|root|home/\w+|tmp/[a-z])\b", text), name(page)
    assert "index-url" not in text


def test_a_wrong_figure_or_word_is_found():
    shown = "bone age 105.0 months\n...\nResearch use only."
    assert difference(shown, "bone age  105.4 months\nsomething\nResearch use only.\n") is None
    assert "105 is shown, 125 came" in (difference(shown, "bone age 125.0 months\nResearch use only.") or "")
    assert difference(shown, "bone age 125.0 months\nResearch use only.", any_figures=True) is None
    assert difference(shown, "bone age 105.0 months\nFor clinics.", any_figures=True) is not None
