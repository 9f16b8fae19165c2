import pickle
import re

import numpy as np
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


def test_keys_of_python_2_become_bytes(tmp_path):
    path = tmp_path / "batch"
    # Protocol 2 by hand: the dictionary {"labels": [3]} with Python 2's strings.
    path.write_bytes(b"\x80\x02}U\x06labels](K\x03es.")
    assert read_batch(path) == {b"labels": [3]}


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_arrays_of_old_and_new_numpy_are_read(tmp_path, module):
    path = tmp_path / "batch"
    content = pickle.dumps({b"data": np.arange(3)}, protocol=3)
    path.write_bytes(re.sub(rb"numpy\._?core\.multiarray", module, content))
    assert read_batch(path)[b"data"].tolist() == [0, 1, 2]
