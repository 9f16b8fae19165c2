import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.loaders.randomness import draw_order
from kbench.loaders.steps import Steps

NUMBERS = st.integers(1, 30)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(NUMBERS, NUMBERS, st.booleans(), st.booleans())
def test_steps_of_an_epoch_take_each_sample_once(num_samples, batch_size, shuffle, drop_last):
    batch_size = min(batch_size, num_samples)
    steps = Steps(num_samples, batch_size, 3, shuffle, drop_last)
    order = steps.order(1)
    taken = [place for step in range(len(steps)) for place in order[steps.span(step)]]
    kept = num_samples // batch_size * batch_size if drop_last else num_samples
    assert len(taken) == len(set(taken)) == kept
    assert set(taken) <= set(range(num_samples))


def test_order_is_that_of_seed_and_epoch_or_the_splits():
    assert (Steps(50, 8, 3, shuffle=True).order(2) == draw_order(3, 2, 50)).all()
    assert Steps(5, 8, 3, shuffle=False).order(2).tolist() == [0, 1, 2, 3, 4]


def test_copies_stand_in_a_row_and_an_epoch_keeps_its_length():
    order = Steps(10, 4, 0, shuffle=False, repeats=3).order(0)
    assert order.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 2, -1, True), r"seed \(=-1\) must be >= 0"),
        ((5, 0, 0, True), r"batch_size \(=0\) must be >= 1"),
        ((5, 6, 0, True, True), r"an epoch has no step: 5 images, batch_size \(=6\)"),
    ],
    ids=["seed", "batch_size", "drop_last"],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Steps(*arguments)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ((-1, 0), r"epoch \(=-1\) must be >= 0"),
        ((0, -1), r"start \(=-1\) must be 0 to 3"),
        ((0, 4), r"start \(=4\) must be 0 to 3"),
    ],
    ids=["epoch", "negative", "behind"],
)
def test_positions_that_do_not_exist_are_refused(position, message):
    with pytest.raises(ValueError, match=message):
        Steps(5, 2, 0, shuffle=True).check(*position)
