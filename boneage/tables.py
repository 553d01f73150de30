"""Read CSV tables as spreadsheets save them; write tables as aligned text for a terminal, as markdown for a report."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def read_csv(content: bytes | str, headers: bool = True, most_rows: int | None = None) -> pd.DataFrame:
    """Read a table of text columns that are separated by commas, semicolons or tabs.

    Args:
        content: the file's bytes, UTF-8 or UTF-16 with or without a byte order mark or Windows-1252, or its text.
        headers: whether the first line names the columns; without, they are called 1, 2, 3, ...
        most_rows: read no more rows than these.

    Raises:
        ValueError: when it is no table.
    """
    import pandas as pd

    text = decoded(content) if isinstance(content, bytes) else content
    first = text.partition("\n")[0]
    if not first.strip() or "\x00" in first:
        raise ValueError("its first line is empty or no text")
    try:
        frame = pd.read_csv(
            StringIO(text),
            sep=max(",;\t", key=first.count),
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_MINIMAL,
            header="infer" if headers else None,
            nrows=most_rows,
        )
    except csv.Error as error:  # pandas' own errors are ValueErrors
        raise ValueError(str(error)) from error
    frame.columns = [str(name).strip() for name in (frame.columns if headers else range(1, frame.shape[1] + 1))]
    return frame


def decoded(content: bytes) -> str:
    """Return the text of a table's bytes in whichever encoding a spreadsheet saved them."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    for zeros, encoding in ((content[1:200:2], "utf-16-le"), (content[:200:2], "utf-16-be")):
        if len(zeros) > 1 and zeros.count(0) > 0.8 * len(zeros):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def text_table(table: pd.DataFrame) -> str:
    """Write a table in aligned columns; numbers with three decimals, nothing where there is no value."""
    rows = [[str(name) for name in table.columns], *([cell(v) for v in row] for row in table.itertuples(index=False))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def headed(tables: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """Write headings with their tables for a terminal, a blank line before each."""
    return "\n".join(f"\n{heading}\n{text_table(table)}" for heading, table in tables)


def markdown_table(table: pd.DataFrame) -> str:
    """Write a table in markdown; numbers with three decimals, nothing where there is no value."""
    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    lines = [list(table.columns), ["---"] * len(table.columns), *rows]
    return "\n".join("| " + " | ".join(str(text).replace("|", "\\|") for text in line) + " |" for line in lines)


def cell(value: object) -> str:
    """Write one value: a fraction with three decimals, nothing where there is none."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
