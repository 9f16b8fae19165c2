"""Heads of records that were read before, so that a look at many cells need not open them all.

`ended.json`, in the folder of a suite and scale, holds what `kbench status` has read of cells that
have ended. Whatever is made, replaced or removed in a cell's folder changes the folder's own time,
so a head holds as long as its folder is as it was: one look at the attributes of all folders, which
a file system on a network gives with their names, instead of three or four at each. It is a copy
for those who look on; what is run or reported is decided by the records alone. It can be deleted at
any time. Only of a record that was overwritten in place, by hand, does it know nothing.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import SchemaValidator, ValidationError, core_schema

from kbench.claim import file_system_time
from kbench.files import replace_text
from kbench.record_head import HEAD_SCHEMA, INTEGER

NAME = "ended.json"
WORTH_WRITING = 256
# A change within the same tick of the file system's clock as the one before it cannot be seen.
SETTLED_NS = 2_000_000_000
Stamp = tuple[int, int]
READ = SchemaValidator(
    core_schema.dict_schema(
        core_schema.str_schema(),
        core_schema.tuple_schema([INTEGER, INTEGER, HEAD_SCHEMA], strict=False),
    )
)


@dataclass
class Ended:
    """Cells that have begun, and heads of those of them that had ended before.

    Attributes:
        folder: Folder of a suite's cells at a scale.
        now: What its file system took for now, before anything else was looked at.
        stamps: By cell, what changes with its folder; None if that was not looked at.
        heads: By cell, a head that still holds.
        fresh: By cell, a head that was read since.
    """

    folder: Path
    now: float
    stamps: Mapping[str, Stamp | None]
    heads: Mapping[str, Any]
    fresh: dict[str, Any] = field(default_factory=dict)

    def keep(self, name: str, head: object) -> None:
        """Remember the head of a cell's record, if its folder has been still for a while."""
        stamp = self.stamps[name]
        if stamp is not None and self.now * 1e9 - stamp[1] > SETTLED_NS:
            self.fresh[name] = head

    def write(self) -> None:
        """Write down what was read since, if it is much and the folder can be written."""
        if len(self.fresh) < WORTH_WRITING:
            return
        known = {**self.heads, **self.fresh}
        value = {name: (*(self.stamps[name] or ()), head) for name, head in known.items()}
        with contextlib.suppress(OSError):
            replace_text(self.folder / NAME, json.dumps(value))


def find_ended(folder: Path, *, with_copies: bool) -> Ended:
    """Return which cells of a folder have begun, and what is known of those that have ended.

    Args:
        folder: Folder of a suite's cells at a scale; it need not be there.
        with_copies: Look for heads that were read before.
    """
    now = file_system_time(folder)
    names: list[os.DirEntry[str]] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        names += entries
    if not with_copies:
        return Ended(folder, now, dict.fromkeys(entry.name for entry in names), {})
    stamps: dict[str, Stamp] = {}
    for entry in names:
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat()
            stamps[entry.name] = status.st_ino, status.st_ctime_ns
    kept = _read(folder).items()
    heads = {name: head for name, (*stamp, head) in kept if stamps.get(name) == tuple(stamp)}
    return Ended(folder, now, stamps, heads)


def _read(folder: Path) -> dict[str, tuple[int, int, Any]]:
    """Return the stamps and heads that were written down; none if they cannot be understood."""
    try:
        found: dict[str, tuple[int, int, Any]] = READ.validate_json((folder / NAME).read_bytes())
    except (OSError, ValidationError):
        return {}
    return found
