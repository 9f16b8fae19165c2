import numpy as np
import torch

from kbench.evaluations.arrays import write_arrays


def test_arrays_come_back_under_their_names(tmp_path) -> None:
    arrays = {"layer1.0.conv1": torch.arange(6.0).view(2, 3), "3x3": torch.tensor(2)}
    write_arrays(tmp_path / "arrays.npz", arrays)
    found = np.load(tmp_path / "arrays.npz", allow_pickle=False)
    assert {name: found[name].tolist() for name in found} == {
        "layer1.0.conv1": [[0, 1, 2], [3, 4, 5]],
        "3x3": 2,
    }


def test_equal_arrays_make_equal_files(tmp_path, monkeypatch) -> None:
    for name, now in (("a.npz", 1e9), ("b.npz", 1.5e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write_arrays(tmp_path / name, {"x": torch.ones(3)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
