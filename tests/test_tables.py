"""Facts about tables as spreadsheets save them: any separator, any encoding, the same rows."""

from __future__ import annotations

import pytest

from boneage.tables import read_csv

ROWS = [["image", "sex", "note"], ["a.png", "female", "Müller"], ["b.png", "male", "10,5"]]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_a_table_is_read_in_every_encoding(separator, encoding, line):
    table = read_csv((line.join(separator.join(row) for row in ROWS) + line).encode(encoding))
    assert [list(table.columns), *table.to_numpy().tolist()] == ROWS


def test_what_is_no_table_is_refused():
    for content in (b"", b"\n\n", b"PK\x03\x04\0\0\0\0"):
        with pytest.raises(ValueError, match=r"."):
            read_csv(content)
