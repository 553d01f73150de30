"""Facts about shared databases: passwords stay hidden, locks keep others out and end with their holder."""

import subprocess
import sys

import pytest

from boneage.databases import DatabaseError, database_lock, file_lock, has_password, masked
from tests import postgres


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql+psycopg://me:s3/c@ret@host/db", "postgresql+psycopg://me:***@host/db"),
        ("postgresql://host/db?user=me&password=s3cret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("could not reach 'http://me:s3cret@host/' now", "could not reach 'http://me:***@host/' now"),
    ],
)
def test_passwords_are_masked(text, shown):
    assert masked(text) == shown
    assert has_password(text)


@pytest.mark.parametrize("text", ["sqlite:///x.db", "postgresql://me@host:5432/db", "http://127.0.0.1:5000", ""])
def test_addresses_without_a_password_stay(text):
    assert masked(text) == text
    assert not has_password(text)


def test_a_lock_on_a_file_keeps_others_out(tmp_path):
    with file_lock(tmp_path / "lock") as first, file_lock(tmp_path / "lock", wait=False) as second:
        assert first and not second
    with file_lock(tmp_path / "lock", wait=False) as third:
        assert third


def test_other_databases_are_refused():
    lock = database_lock("mysql://me:s3cret@host/db", "x")
    with pytest.raises(DatabaseError, match="PostgreSQL or SQLite, but mysql://me:\\*\\*\\*@host/db") as caught, lock:
        pass
    assert "s3cret" not in str(caught.value)


@pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing())
def test_a_lock_on_postgresql_ends_with_the_process_that_holds_it():
    hold = (
        "import sys, time\nfrom boneage.databases import database_lock\n"
        "with database_lock(sys.argv[1], 'a'):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    with postgres.server("one") as address:
        url = f"{address}/one"
        with subprocess.Popen([sys.executable, "-c", hold, url], stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout.readline() == "held\n"
            with database_lock(url, "a", wait=False) as held:
                assert not held
            with database_lock(url, "b", wait=False) as held:
                assert held, "another name is another lock"
            holder.kill()
        with database_lock(url, "a") as held:
            assert held
    with pytest.raises(DatabaseError, match="does not answer") as caught, database_lock(url, "a"):
        pass
    assert postgres.PASSWORD not in str(caught.value)
