"""What a network costs. Measured once, then remembered in the user's cache folder.

Building networks and importing torch take seconds; a plan of thousands of cells has few distinct
networks, and they rarely change.
"""

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

from kbench.catalogue import PACKAGE, read_entries
from kbench.cell import Cell
from kbench.errors import UnsupportedError
from kbench.files import replace_text

SOURCES = ("operators", "architectures", "datasets")
MEASURES = ("network.py", "cost.py", "work.py")


@dataclass(frozen=True)
class Cost:
    """Size and work of a network.

    Attributes:
        num_params: Parameters, frozen ones too.
        num_learnable_params: Parameters that the optimiser changes.
        macs: Multiply-accumulates for one image, with every operator that can be folded as a plain
            convolution; what counts is told in `kbench.work.count_macs`.
        train_images: Images of the training split, all of them.
    """

    num_params: int
    num_learnable_params: int
    macs: int
    train_images: int

    @property
    def metrics(self) -> dict[str, float]:
        """Return the fields that are metrics."""
        names = ("num_params", "num_learnable_params", "macs")
        return {name: getattr(self, name) for name in names}


def find_cost(cell: Cell) -> Cost:
    """Return the cost of a cell's network; torch is imported only if it is not yet known.

    What depends on code from outside of kbench is measured anew each time.

    Raises:
        UnsupportedError: If the operator or the network cannot exist with these arguments.
    """
    path = cache_folder() / "costs" / f"{network_key(cell)}.json"
    known = _read(path)
    if known is None:
        known = _measure(cell)
        if is_own(cell):
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_text(path, json.dumps(known))
    if isinstance(known, str):
        raise UnsupportedError(known)
    return Cost(**known)


def is_own(cell: Cell) -> bool:
    """Return whether no code from outside of kbench makes a cell's network or data."""
    chosen = [(kind, getattr(cell, kind)) for kind in ("operator", "architecture", "dataset")]
    return not cell.imports and all(choice.name in read_entries(kind) for kind, choice in chosen)


def network_key(cell: Cell) -> str:
    """Return what the cost of a cell's network depends on, as a hash."""
    parts = [cell.architecture.definition, cell.operator.definition, cell.dataset.definition]
    size = cell.recipe.augmentation.final_size
    text = json.dumps([*parts, size, cell.imports, source_stamp()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def cache_folder() -> Path:
    """Return the user's cache folder for kbench."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kbench"


@cache
def source_stamp() -> str:
    """Return a hash of the names, sizes and times of the files that costs depend on."""
    files = sorted(path for name in SOURCES for path in (PACKAGE / name).rglob("*.py"))
    files += [PACKAGE / name for name in MEASURES]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()


def _measure(cell: Cell) -> dict[str, int] | str:
    """Return the cost's fields, or why the network cannot exist."""
    from kbench.network import measure_network

    try:
        return asdict(Cost(**measure_network(cell)))
    except UnsupportedError as error:
        return str(error)


def _read(path: Path) -> dict[str, int] | str | None:
    """Return what was remembered; None for nothing, or for a damaged file."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    is_cost = isinstance(found, dict) and set(found) == {f.name for f in fields(Cost)}
    return found if is_cost or isinstance(found, str) else None
