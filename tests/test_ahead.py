import threading

import pytest

from kbench.ahead import compute_ahead


def test_results_come_in_the_order_of_the_items():
    found = list(compute_ahead(lambda x: x * x, range(50), num_threads=4, ahead=7))
    assert found == [x * x for x in range(50)]


def test_no_more_than_asked_for_is_begun_ahead():
    begun = []
    results = compute_ahead(begun.append, range(50), num_threads=1, ahead=3)
    next(results)
    results.close()
    assert len(begun) <= 4


def test_threads_end_when_the_results_are_no_longer_asked_for():
    before = threading.active_count()
    results = compute_ahead(lambda x: x, range(50), num_threads=3, ahead=5)
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before


def test_an_exception_is_raised_where_its_result_is_asked_for():
    results = compute_ahead(lambda x: 1 // x, [2, 1, 0], num_threads=2, ahead=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError, match="division"):
        next(results)
