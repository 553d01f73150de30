"""Work on threads comes back in order, in bounded memory, and an error at its place."""

import threading

import pytest

from boneage.pipeline import in_order


@pytest.mark.parametrize("workers", [1, 3])
def test_answers_come_in_order_and_few_items_are_taken_ahead(workers):
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    seen = []
    for number, doubled in in_order(lambda x: 2 * x, items(), workers):
        assert doubled == 2 * number
        seen.append(number)
        assert len(taken) - len(seen) < 2 * workers
    assert seen == list(range(20))


def test_workers_are_at_work_at_once():
    meet = threading.Barrier(2, timeout=20)
    assert [answer for _, answer in in_order(lambda _: meet.wait() >= 0, range(4), 2)] == [True] * 4


def test_an_error_is_raised_at_its_place_and_nothing_more_is_begun():
    begun = []

    def work(number):
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    seen = []
    with pytest.raises(ValueError, match="three"):
        for number, _ in in_order(work, range(100), 2):
            seen.append(number)
    assert seen == [0, 1, 2] and len(begun) <= 8
