"""Progress of a suite, from its files alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kbench.cell import Cell
from kbench.formats import format_state, format_table
from kbench.state import State, find_states
from kbench.suite import load_suite

PENDING = ("done", "todo", "queued")


@dataclass(frozen=True)
class SuiteStatus:
    """State of every cell of a suite at one scale."""

    suite: str
    scale: str
    cells: Sequence[Cell]
    states: Sequence[State]

    def counts(self) -> dict[str, int]:
        """Return how many cells are in each state."""
        kinds = [state.kind for state in self.states]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        cells = {
            cell.id: {"state": state.kind, "reason": state.reason}
            for cell, state in zip(self.cells, self.states, strict=True)
        }
        return {"suite": self.suite, "scale": self.scale, "counts": self.counts(), "cells": cells}


def read_status(path: Path, scale: str, results: Path) -> SuiteStatus:
    """Return the status of a suite.

    Raises:
        SuiteError: If the suite is wrong.
    """
    suite = load_suite(path)
    cells = suite.cells(scale)
    states = find_states(results, cells, with_copies=True)
    return SuiteStatus(suite.file.suite, scale, cells, states)


def format_status(status: SuiteStatus) -> str:
    """Return the counts, and a line for every cell that is neither done nor still to come."""
    counts = ", ".join(f"{count} {kind}" for kind, count in status.counts().items())
    head = f"{status.suite} ({status.scale}): {len(status.cells)} cells: {counts}"
    queued = Counter(state.reason for state in status.states if state.kind == "queued")
    head += "".join(f"\nqueued: {count} cells: {reason}" for reason, count in queued.items())
    rows = [
        (state.kind, cell.id, format_state(state))
        for cell, state in zip(status.cells, status.states, strict=True)
        if state.kind not in PENDING
    ]
    return "\n".join([head, format_table(("state", "cell", "detail"), rows)]) if rows else head
