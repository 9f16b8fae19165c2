"""MD5 sums of large files, computed once and remembered until a file changes."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kbench.files import write_json

CACHE_NAME = ".kbench-checksums.json"


def file_md5(path: Path) -> str:
    """Return the MD5 sum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def find_sums(paths: Sequence[Path], folder: Path) -> list[str]:
    """Return the MD5 sum of every file; a sum is remembered by path, size and time of change.

    The memory is a file in `folder` or, where that cannot be written, in the user's cache folder.
    Where neither can be written, the sums are computed again next time.
    """
    caches = _cache_files(folder)
    known: dict[str, Any] = {}
    for cache in reversed(caches):
        known |= _read_cache(cache)
    fresh: dict[str, Any] = {}
    sums = []
    for path in paths:
        key, stamp = str(path.resolve()), _stamp(path)
        entry = known.get(key)
        if not (isinstance(entry, dict) and [entry.get("size"), entry.get("mtime_ns")] == stamp):
            entry = {"size": stamp[0], "mtime_ns": stamp[1], "md5": file_md5(path)}
            fresh[key] = entry
        sums.append(str(entry["md5"]))
    if fresh:
        _write_cache(caches, fresh)
    return sums


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _cache_files(folder: Path) -> list[Path]:
    """Return where sums may be kept, the preferred place first."""
    home = os.environ.get("HOME")
    user = os.environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else None)
    return [folder / CACHE_NAME, *([Path(user) / "kbench" / "checksums.json"] if user else [])]


def _read_cache(cache: Path) -> dict[str, Any]:
    """Return what a cache holds; a cache that cannot be read holds nothing."""
    try:
        content = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_cache(caches: Sequence[Path], fresh: dict[str, Any]) -> None:
    for number, cache in enumerate(caches):
        try:
            if number > 0:
                cache.parent.mkdir(parents=True, exist_ok=True)
            write_json(cache, _read_cache(cache) | fresh)
        except OSError:
            continue
        return
