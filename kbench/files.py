"""Files that are whole or not there: temporary file, fsync, rename; safe on NFS and Lustre."""

import json
import os
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step and on disk; a crash or a full disk leaves the old one."""
    _replace(path, content, is_durable=True)


def replace_text(path: Path, text: str) -> None:
    """Replace a file in one step; after a crash of the machine it may be an older one."""
    _replace(path, text.encode(), is_durable=False)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Replace a JSON file in one step, with sorted keys; NaN and infinity are refused."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def _replace(path: Path, content: bytes, *, is_durable: bool) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
