"""Betons, FFCV's files of a split: where they lie, of what they are, whether they are whole.

Beside every `.beton` lies a `.beton.json` that says what it was made from and its checksum. A beton
without it is not complete.
"""

import hashlib
import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kbench.datasets.checksum import file_crc32, find_crc32
from kbench.datasets.dataset import Dataset
from kbench.errors import DatasetError, UnsupportedError
from kbench.storage import FFCV_INSTALLATION, Storage

FOLDER = "ffcv"
# Raised when the same origin gives other bytes.
VERSION = 1


def import_ffcv() -> None:
    """Import FFCV; torch keeps its number of threads.

    Raises:
        DatasetError: If FFCV or a library that it needs is not there; says how to install it.
    """
    threads = torch.get_num_threads()
    try:
        # It sets torch to one thread.
        importlib.import_module("ffcv.loader")
    except (ImportError, OSError) as error:
        message = f"loader 'ffcv': ffcv cannot be imported ({error}); install it with: "
        raise DatasetError(message + FFCV_INSTALLATION) from error
    finally:
        torch.set_num_threads(threads)


def check_storable(dataset: Dataset) -> None:
    """Refuse a dataset that betons cannot hold.

    Raises:
        UnsupportedError: If the samples are not images of 8 bits or the targets not classes.
    """
    if dataset.task != "classification" or len(dataset.input_shape) != 3:
        message = (
            f"dataset {dataset.name!r}: betons hold images (C, H, W) with class numbers, "
            f"not samples {dataset.input_shape} for {dataset.task}"
        )
        raise UnsupportedError(message)


def describe_origin(dataset: Dataset, split: str, storage: Storage) -> dict[str, Any]:
    """Return what a beton is made from, as JSON values: equal origins give equal pixels."""
    state = {
        key: _describe(value)
        for key, value in sorted(vars(dataset).items())
        if key != "folder" and not key.startswith("_")
    }
    return {
        "version": VERSION,
        "dataset": dataset.name,
        "state": state,
        "split": split,
        "storage": asdict(storage) if dataset.is_file_backed else None,
        "checksums": dataset.checksums(),
    }


def beton_path(dataset: Dataset, split: str, storage: Storage) -> Path:
    """Return where the beton of a split belongs; its name depends on all but the checksums."""
    origin = describe_origin(dataset, split, storage)
    del origin["checksums"]
    label = storage.label if dataset.is_file_backed else "raw"
    name = f"{dataset.name}-{split}-{label}-{digest(origin).hex()[:8]}.beton"
    return dataset.folder / FOLDER / name


def sidecar_path(beton: Path) -> Path:
    """Return the file that says what a beton is."""
    return beton.with_name(f"{beton.name}.json")


def check_beton(dataset: Dataset, split: str, storage: Storage) -> Path:
    """Return the beton of a split, verified; it is read once, then remembered.

    Raises:
        DatasetError: If it is missing, made from something else, or damaged; says how to make it.
        UnsupportedError: If there can be none.
    """
    check_storable(dataset)
    path = beton_path(dataset, split, storage)
    remedy = prepare_command(dataset, storage)
    subject = f"dataset {dataset.name!r}"
    if not path.is_file():
        message = f"{subject}: no beton {str(path)!r} of split {split!r}; make it with: {remedy}"
        raise DatasetError(message)
    sidecar = read_sidecar(path)
    if sidecar is None:
        message = (
            f"{subject}: beton {str(path)!r} is not complete, {sidecar_path(path).name!r} beside "
            f"it is missing or damaged; renew it with: {remedy}"
        )
        raise DatasetError(message)
    if not _is_same_origin(sidecar, describe_origin(dataset, split, storage)):
        message = (
            f"{subject}: beton {str(path)!r} was made from other data; renew it with: {remedy}"
        )
        raise DatasetError(message)
    found = find_crc32(path)
    if found != sidecar.get("crc32"):
        message = (
            f"{subject}: beton {str(path)!r} has crc32 {found}, expected {sidecar.get('crc32')}; "
            f"renew it with: {remedy}"
        )
        raise DatasetError(message)
    return path


def verify_betons(dataset: Dataset) -> dict[str, str]:
    """Read the betons of a dataset, whatever is remembered; return their CRC-32 by path.

    Raises:
        DatasetError: Names the first one that is not as it was written.
    """
    sums = {}
    for path in sorted((dataset.folder / FOLDER).glob(f"{dataset.name}-*.beton")):
        expected = (read_sidecar(path) or {}).get("crc32")
        found = file_crc32(path)
        if found != expected:
            message = (
                f"dataset {dataset.name!r}: beton {str(path)!r} has crc32 {found}, "
                f"expected {expected or 'one in a file beside it'}; delete it and write it again "
                f"with: kbench data prepare {dataset.name} --ffcv"
            )
            raise DatasetError(message)
        sums[f"{FOLDER}/{path.name}"] = found
    return sums


def _is_same_origin(sidecar: dict[str, Any], origin: dict[str, Any]) -> bool:
    """Return whether a beton is of this origin; where the data is gone, the beton stands for it."""
    found = sidecar.get("origin")
    if not isinstance(found, dict) or not isinstance(found.get("checksums"), dict):
        return False
    return found == origin | {"checksums": found["checksums"] | origin["checksums"]}


def read_sidecar(beton: Path) -> dict[str, Any] | None:
    """Return what lies beside a beton; None if nothing does, or nothing that can be read."""
    try:
        content = json.loads(sidecar_path(beton).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def prepare_command(dataset: Dataset, storage: Storage) -> str:
    """Return the command line that writes the betons of a dataset."""
    options = "".join(
        f" --option {key}={json.dumps(value)}"
        for key, value in sorted(vars(dataset).items())
        if key in _option_names(dataset) and isinstance(value, bool | int | float | str)
    )
    arguments = f" {storage.arguments}" if dataset.is_file_backed and storage != Storage() else ""
    return f"kbench data prepare {dataset.name}{options} --ffcv{arguments}"


def digest(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return 16 bytes that differ where JSON values differ."""
    text = json.dumps(value, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).digest()


def _option_names(dataset: Dataset) -> set[str]:
    return set(type(dataset).__init__.__kwdefaults__ or {})


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        content = value.cpu().contiguous().numpy().tobytes()
        return hashlib.md5(content, usedforsecurity=False).hexdigest()
    return repr(value)
