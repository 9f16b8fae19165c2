import pickle

import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.cifar_pickle import read_batch


class Harmful:
    def __reduce__(self):
        return print, ("harm",)


def test_pickle_with_code_is_refused(tmp_path, capsys):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": Harmful()}))
    message = "asks for builtins.print; only numpy arrays are allowed"
    with pytest.raises(pickle.UnpicklingError, match=message):
        read_batch(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_small_set_is_read_as_written(write_small, name, split):
    root, arrays = write_small(name)
    loaded = build_dataset(name, root).load(split)
    images, targets = arrays[split]
    assert loaded.images.dtype == torch.uint8
    assert torch.equal(loaded.images, torch.from_numpy(images))
    assert torch.equal(loaded.targets, torch.from_numpy(targets))
