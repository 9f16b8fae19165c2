"""Checkpoints that are whole or not there, exact to the step.

A file is the SHA-256 of its payload, then the payload, a `torch.save` archive of tensors and plain
values. A new file replaces the old one only after it was read back from disk; the old one stays as
`checkpoint.previous.pt` until the next save, for the case that the new one rots.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from kbench.errors import CheckpointError
from kbench.files import write_bytes

NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
FRESH = "checkpoint.new.pt"
WEIGHTS = "weights.pt"
DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(directory: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, verify it, and only then let it take the place of the last one.

    Raises:
        CheckpointError: If the disk does not hold what was written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    fresh = directory / FRESH
    try:
        write_bytes(fresh, hashlib.sha256(payload).digest() + payload)
    except OSError as error:
        message = f"{fresh}: cannot be written: {error.strerror}; the last checkpoint is kept"
        raise CheckpointError(message) from error
    _read_payload(fresh)
    # A crash between the two steps leaves the new one under the name it has.
    current = directory / NAME
    if current.exists():
        current.replace(directory / PREVIOUS)
    fresh.replace(current)


def load_checkpoint(directory: Path, device: torch.device) -> dict[str, Any] | None:
    """Return the newest whole checkpoint of a cell's directory, None if there is none.

    Raises:
        CheckpointError: If checkpoints exist but all are damaged.
    """
    damaged = []
    for name in (FRESH, NAME, PREVIOUS):
        if (directory / name).exists():
            try:
                payload = _read_payload(directory / name)
            except CheckpointError as error:
                damaged.append(str(error))
                continue
            return torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    if damaged:
        message = "; ".join(damaged) + "; delete them to start the cell afresh"
        raise CheckpointError(message)
    return None


def checkpoint_time(directory: Path) -> float:
    """Return when a cell's newest checkpoint was written; 0 without one."""
    paths = [directory / name for name in (FRESH, NAME, PREVIOUS)]
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)


def remove_checkpoints(directory: Path) -> None:
    """Delete the checkpoints of a cell that is done."""
    for name in (FRESH, NAME, PREVIOUS):
        (directory / name).unlink(missing_ok=True)


def save_weights(directory: Path, weights: dict[str, torch.Tensor]) -> str:
    """Write the final weights as `weights.pt`, in the format of a checkpoint.

    Returns:
        SHA-256 of names, shapes, types and values; equal weights have equal sums.
    """
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    payload = buffer.getvalue()
    write_bytes(directory / WEIGHTS, hashlib.sha256(payload).digest() + payload)
    return digest.hexdigest()


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Return the weights that `save_weights` wrote, on the CPU.

    Raises:
        CheckpointError: If the file is damaged.
    """
    payload = _read_payload(directory / WEIGHTS)
    return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)


def _read_payload(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise CheckpointError(message) from error
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        message = f"{path}: damaged: its checksum does not fit"
        raise CheckpointError(message)
    return payload
