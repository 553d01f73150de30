"""Facts about worker processes: one that is killed is replaced, and what it had is begun again."""

import os
import signal
from pathlib import Path

import pytest

from boneage.errors import BoneageError
from tuning.workers import Job, Places, _everywhere, places_for


def _killed_once(job, number):
    """Die at the first try of every second piece."""
    mark = Path(job.split_sha256) / str(number)
    if number % 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _always_killed(_job, _number):
    os.kill(os.getpid(), signal.SIGKILL)


def _job(folder):
    return Job((), print, str(folder), "", {})


@pytest.mark.slow
def test_killed_workers_are_replaced_and_nothing_is_lost_or_done_twice(tmp_path):
    assert sorted(_everywhere(_killed_once, _job(tmp_path), 4, Places(2))) == [0, 1, 2, 3]


@pytest.mark.slow
def test_workers_that_die_again_and_again_end_the_study_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("tuning.workers._MOST_BREAKS", 1)
    with pytest.raises(BoneageError, match="use fewer --workers"):
        list(_everywhere(_always_killed, _job(tmp_path), 2, Places(2)))


def test_a_study_needs_a_worker():
    with pytest.raises(BoneageError, match="1 or more, but 0 was given"):
        places_for(0, "")
