"""Parameters of networks that were trained before, from a file that the user has."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kbench.errors import DatasetError
from kbench.machine import data_root

PREFIX = "backbone."  # of the trunk in torchvision's networks for segmentation


def load_trunk(trunk: nn.Module, path: str) -> None:
    """Load a trunk's parameters and statistics from a file; what else it holds is left out.

    Nothing is read for the meta device, where networks are only counted.

    Args:
        trunk: The network, changed in place.
        path: File of `torch.save` with tensors by the trunk's names, or by these behind
            `backbone.`; below the folder of the data, or absolute.

    Raises:
        DatasetError: If the file is missing, cannot be read, or lacks a tensor of the trunk.
    """
    if next(trunk.parameters()).is_meta:
        return
    file = data_root() / Path(path).expanduser()
    where = f"weights (={path!r})"
    if not file.is_file():
        message = f"{where}: there is no file {str(file)!r}; it has to be a state dict of torch"
        raise DatasetError(message)
    found = _read(file, where)
    expected = trunk.state_dict()
    chosen = {}
    for name, tensor in expected.items():
        given = found.get(PREFIX + name, found.get(name))
        if isinstance(given, Tensor) and given.shape == tensor.shape:
            chosen[name] = given
        elif not name.endswith("num_batches_tracked"):
            shape = tuple(tensor.shape)
            message = f"{where}: {str(file)!r} has no tensor {name!r} of shape {shape}"
            raise DatasetError(message)
    trunk.load_state_dict(expected | chosen)


def _read(file: Path, where: str) -> dict[str, Any]:
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        message = f"{where}: {str(file)!r} cannot be read: {reason}"
        raise DatasetError(message) from error
    if not isinstance(found, dict):
        message = f"{where}: {str(file)!r} holds {type(found).__name__}, not a state dict"
        raise DatasetError(message)
    return found
