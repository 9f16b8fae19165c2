"""A loader whose epoch is a number of steps instead of one pass over the samples."""

from collections.abc import Iterator

from kbench.loaders.batch import Batch, Loader


class RepeatedLoader:
    """Gives the batches of pass after pass, cut into epochs of equal length.

    Args:
        loader: Gives one pass.
        num_steps: Steps of an epoch.
    """

    def __init__(self, loader: Loader, num_steps: int) -> None:
        self._loader, self._num_steps = loader, num_steps

    def __len__(self) -> int:
        return self._num_steps

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from step `start` on."""
        position, end = epoch * self._num_steps + start, (epoch + 1) * self._num_steps
        while position < end:
            number, step = divmod(position, len(self._loader))
            for batch in self._loader.batches(number, step):
                yield batch
                position += 1
                if position == end:
                    return
