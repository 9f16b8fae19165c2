import pytest

from kbench.loaders.randomness import augmentation_generator, draw_order


def test_order_is_a_permutation():
    assert sorted(draw_order(3, 1, 100).tolist()) == list(range(100))


def test_order_is_a_pure_function_of_seed_and_epoch():
    assert draw_order(3, 1, 100).tolist() == draw_order(3, 1, 100).tolist()


@pytest.mark.parametrize("other", [(4, 1), (3, 2), (1, 3)], ids=["seed", "epoch", "swapped"])
def test_another_seed_or_epoch_gives_another_order(other):
    assert draw_order(3, 1, 100).tolist() != draw_order(*other, 100).tolist()


def test_every_position_has_its_own_numbers():
    positions = [
        (seed, epoch, step) for seed in range(4) for epoch in range(4) for step in range(4)
    ]
    draws = {augmentation_generator(*position).integers(2**62) for position in positions}
    assert len(draws) == len(positions)


def test_step_zero_does_not_repeat_the_order():
    """Trailing zeros must not be dropped from the position."""
    order = draw_order(3, 0, 1000).tolist()
    assert augmentation_generator(3, 0, 0).permutation(1000).tolist() != order
