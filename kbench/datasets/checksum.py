"""Checksums of large files, computed once and remembered until a file changes."""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from kbench.files import write_json

CACHE_NAME = ".kbench-checksums.json"
CHUNK = 2**20


class Fact(NamedTuple):
    """What is known of files until they change.

    Attributes:
        size: Bytes of a file, or the number of files of a folder.
        mtime_ns: Time of change, in nanoseconds.
        find: Function that finds it out, slowly.
    """

    size: int
    mtime_ns: int
    find: Callable[[], str]


def file_md5(path: Path) -> str:
    """Return the MD5 sum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def file_crc32(path: Path) -> str:
    """Return the CRC-32 of a file, in hexadecimal."""
    value = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            value = zlib.crc32(chunk, value)
    return f"{value:08x}"


def find_sums(paths: Sequence[Path], folder: Path | None) -> list[str]:
    """Return the MD5 sum of every file; a sum is remembered by path, size and time of change.

    The memory is a file in `folder` or, where that cannot be written, in the user's cache folder.
    Where neither can be written, the sums are computed again next time; for None, always.
    """
    facts = {}
    for path in paths:
        status = path.stat()
        md5 = partial(file_md5, path)
        facts[str(path.resolve())] = Fact(status.st_size, status.st_mtime_ns, md5)
    found = recall(facts, folder)
    return [found[str(path.resolve())] for path in paths]


def find_crc32(path: Path) -> str:
    """Return the CRC-32 of a file of our own, remembered as `find_sums` does.

    It finds damage as well as MD5 and is several times faster, which counts with what is as large
    as all pictures of a dataset.
    """
    status = path.stat()
    key = f"{path.resolve()} crc32"
    fact = Fact(status.st_size, status.st_mtime_ns, partial(file_crc32, path))
    return recall({key: fact}, path.parent)[key]


def recall(facts: Mapping[str, Fact], folder: Path | None) -> dict[str, str]:
    """Return what is remembered of each key, or find it out and remember it, as `find_sums`."""
    caches = _cache_files(folder)
    known: dict[str, Any] = {}
    for cache in reversed(caches):
        known |= _read_cache(cache)
    fresh = {}
    result = {}
    for key, fact in facts.items():
        entry = known.get(key)
        stamp = [fact.size, fact.mtime_ns]
        if not (isinstance(entry, dict) and [entry.get("size"), entry.get("mtime_ns")] == stamp):
            entry = {"size": fact.size, "mtime_ns": fact.mtime_ns, "md5": fact.find()}
            fresh[key] = entry
        result[key] = str(entry["md5"])
    if fresh:
        _write_cache(caches, fresh)
    return result


def forget(paths: Sequence[Path], folder: Path) -> None:
    """Forget what is remembered of files and of everything below folders.

    Raises:
        OSError: If a memory that knows them cannot be written.
    """
    roots = [str(path.resolve()) for path in paths]
    for cache in _cache_files(folder):
        known = _read_cache(cache)
        kept = {key: entry for key, entry in known.items() if not _is_below(key, roots)}
        if len(kept) < len(known):
            write_json(cache, kept)


def _is_below(key: str, roots: Sequence[str]) -> bool:
    # The key of a folder goes on after a space.
    return any(key == root or key.startswith((f"{root}/", f"{root} ")) for root in roots)


def _cache_files(folder: Path | None) -> list[Path]:
    """Return where sums may be kept, the preferred place first; nowhere for None."""
    if folder is None:
        return []
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
