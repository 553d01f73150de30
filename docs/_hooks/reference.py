"""A hook of MkDocs that makes the reference when the site is built: a page per room, and the help of every command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_COMMANDS = "<!-- commands -->"
_WHOLE = ("groups", "settings", "config", "notices", "errors", "paths", "shipped", "processes", "stopping", "databases")
"""The files beside the rooms that have an entry on the page `shared`."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give every room a place in the menu, below the pages of the reference."""
    reference = next(entry["Reference"] for entry in config.nav if "Reference" in entry)
    reference.append({"Rooms of the library": [{name: f"reference/{name}.md"} for name in _pages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page per room."""
    for name, text in _pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page's markdown with the commands' help in the place of the mark."""
    if _COMMANDS not in markdown:
        return markdown
    os.environ["COLUMNS"] = "96"
    return markdown.replace(_COMMANDS, "\n\n".join(_sections()))


def _pages() -> dict[str, str]:
    rooms = sorted(path.parent.name for path in (_ROOT / "boneage").glob("*/__init__.py"))
    packages = {**{room: f"boneage.{room}" for room in rooms if room != "commands"}, "tuning": "tuning"}
    hidden = "    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"
    pages = {name: f"# {package}\n\n::: {package}\n{hidden}" for name, package in packages.items()}
    shared = "\n".join(f"::: boneage.{name}\n" for name in _WHOLE if (_ROOT / "boneage" / f"{name}.py").is_file())
    return {**pages, "shared": f"# Shared by all rooms\n\n{shared}"}


def _sections() -> Iterator[str]:
    from boneage.cli import build_parser
    from tuning.__main__ import parser as search

    names = [parser.prog.split()[-1] for parser in _children(build_parser(""))]
    for parser in (_child(build_parser(name), name) for name in names):
        yield f"## {parser.prog}\n\n```text\n{parser.format_help().strip()}\n```"
        for child in _children(parser):
            yield f"### {child.prog}\n\n```text\n{child.format_help().strip()}\n```"
    yield f"## python -m tuning\n\n```text\n{search().format_help().strip()}\n```"


def _child(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    return next(child for child in _children(parser) if child.prog.split()[-1] == name)


def _children(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from dict.fromkeys(action.choices.values())
