"""Read the fenced blocks of a markdown page, and compare what a command printed with what the page says it prints.

A block may be preceded by one comment, which no reader sees: `<!-- example: MARK -->`, where MARK is one of
    parsed only     takes long or needs data: only the command's options are checked
    any figures     run, but the figures are of another machine or study: only their places are checked
    fails           the command ends with another exit status than 0, as the page shows
"""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARKS = ("", "parsed only", "any figures", "fails")
_FENCE = re.compile(
    r"(?P<mark>^[ ]*<!-- example: (?P<says>[^\n]*?) -->\n\n?)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w+)?[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+")
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
_TOLERANCE = 0.03
"""Share by which a figure may differ: other processors round otherwise, and noise is drawn otherwise."""
_SLACK = 0.6
"""What a figure near zero may differ by; also one month where months are whole."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its page, line, language, text and mark."""

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""

    @property
    def place(self) -> str:
        """Where to look for it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Example:
    """One command of a console block and the output that the page shows; None where it shows none."""

    command: str
    output: str | None


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("indent")) + 1
        mark = match["says"] or ""
        if mark not in MARKS:
            raise ValueError(f"{page.name}:{line}: a mark must be one of {MARKS}, but {mark!r} was found")
        found.append(Block(page, line, match["language"] or "", textwrap.dedent(match["text"]), mark))
    return found


def examples(block: Block) -> list[Example]:
    """Split a console block at its `$` lines; a line that ends in a backslash goes on in the next."""
    found: list[Example] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, output = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.DOTALL).groups()
        found.append(Example(command.replace("\\\n", " "), output.strip("\n") or None))
    return found


def words(command: str) -> list[list[str]]:
    """Split a line of shell into its commands, without comments, assignments in front and redirections."""
    found: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word in {"&&", "|", ";"}:
            found.append([])
        else:
            found[-1].append(word)
    return [_bare(one) for one in found if one]


def _bare(command: list[str]) -> list[str]:
    while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
        command = command[1:]
    return command[: command.index(">")] if ">" in command else command


def difference(shown: str, came: str, *, any_figures: bool = False) -> str | None:
    """Return how an output differs from the one shown, None where it does not.

    `...` stands for anything, runs of blanks are one, times are equal, and figures may differ a little.
    """
    pieces = re.split(r" ?\.\.\. ?", _one_blank(shown))
    pattern = r"\s*(?:.|\n)*?\s*".join(map(_as_pattern, pieces))
    match = re.fullmatch(pattern, _one_blank(came))
    if match is None:
        return f"shown:\n{shown}\n\ncame:\n{came}"
    wanted = [_figure(text) for piece in pieces for text in _NUMBER.findall(piece)]
    pairs = zip(wanted, map(_figure, match.groups()), strict=True)
    far = [] if any_figures else [f"{a:g} is shown, {b:g} came" for a, b in pairs if not _close(a, b)]
    return None if not far else f"{'; '.join(far)}\n\nshown:\n{shown}\n\ncame:\n{came}"


def _as_pattern(text: str) -> str:
    """Return a pattern in which every number is a group of its own."""
    ends = [0, *(end for match in _NUMBER.finditer(text) for end in match.span()), len(text)]
    between = [re.escape(text[a:b]).replace(r"\ ", r"\s+") for a, b in zip(ends[::2], ends[1::2], strict=True)]
    return r"([+-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)".join(between)


def _one_blank(text: str) -> str:
    return re.sub(r"\s+", " ", _TIME.sub("TIME", text)).strip()


def _figure(text: str) -> float:
    return float(text.replace(",", ""))


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_SLACK)
