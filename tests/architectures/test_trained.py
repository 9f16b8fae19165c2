"""Parameters from a file: found, complete, of the right shapes."""

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.architectures.trained import load_trunk
from kbench.errors import DatasetError


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path))
    return tmp_path


def trunk() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


@pytest.mark.parametrize("prefix", ["", "backbone."], ids=["plain", "torchvision"])
@pytest.mark.parametrize("absolute", [False, True], ids=["below-data", "absolute"])
def test_parameters_and_statistics_are_those_of_the_file(data, prefix, absolute) -> None:
    source, target = trunk(), trunk()
    source[1].running_mean.fill_(3)
    tensors = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    torch.save({**tensors, "classifier.weight": torch.zeros(4)}, data / "file.pth")
    load_trunk(target, str(data / "file.pth") if absolute else "file.pth")
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


def test_files_from_before_batches_were_counted_will_do(data) -> None:
    tensors = {k: v for k, v in trunk().state_dict().items() if "num_batches" not in k}
    torch.save(tensors, data / "old.pth")
    target = trunk()
    load_trunk(target, "old.pth")
    torch.testing.assert_close(target[0].weight.detach(), tensors["0.weight"], rtol=0, atol=0)


def test_a_missing_file_is_named(data) -> None:
    expected = rf"weights \(='gone.pth'\): there is no file '{data / 'gone.pth'}'"
    with pytest.raises(DatasetError, match=expected):
        load_trunk(trunk(), "gone.pth")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"0.weight": torch.zeros(1)}, r"has no tensor '0.weight' of shape \(2, 1, 3, 3\)"),
        ([1, 2], "holds list, not a state dict"),
    ],
    ids=["shape", "list"],
)
def test_a_file_of_another_layout_is_refused(data, content, expected) -> None:
    torch.save(content, data / "other.pth")
    with pytest.raises(DatasetError, match=rf"weights \(='other.pth'\): .*{expected}"):
        load_trunk(trunk(), "other.pth")


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x03\x04"], ids=["empty", "text", "zip"]
)
def test_a_file_that_torch_cannot_read_is_named(data, content) -> None:
    (data / "broken.pth").write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken.pth' cannot be read: .+"):
        load_trunk(trunk(), "broken.pth")


def test_code_in_a_file_is_not_run(data) -> None:
    torch.save({"0.weight": pytest.raises}, data / "code.pth")
    with pytest.raises(DatasetError, match=r"code.pth' cannot be read"):
        load_trunk(trunk(), "code.pth")


def test_networks_are_counted_without_the_file() -> None:
    with torch.device("meta"):
        network = build_architecture("deeplabv2_resnet101", weights="gone.pth")
    assert next(network.parameters()).is_meta
