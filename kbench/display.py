"""What a person sees while cells run, on stderr."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kbench.cell import Cell
from kbench.executors.local import Event
from kbench.formats import format_progress, format_result
from kbench.progress import read_progress
from kbench.record import record_path

PLAIN_INTERVAL_S = 30.0
ENDINGS = {"interrupt": "stopped", "elsewhere": "elsewhere"}

if TYPE_CHECKING:
    from kbench.bars import BarDisplay


def choose_display(results: Path, total: int) -> "PlainDisplay | BarDisplay":
    """Return bars for a terminal and plain lines for anything else."""
    if sys.stderr.isatty():
        from kbench.bars import BarDisplay

        return BarDisplay(results, total)
    return PlainDisplay(results, total)


class PlainDisplay:
    """A line when a cell starts or ends, and one every half minute while it runs.

    Args:
        results: Folder of all results.
        total: Number of cells.
    """

    def __init__(self, results: Path, total: int) -> None:
        self.results, self.total = results, total
        self.done = 0
        self.running: dict[str, Cell] = {}
        self.shown = time.monotonic()

    def __enter__(self) -> "PlainDisplay":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: Event) -> None:
        """Print what happened."""
        if event.cell is None:
            self._tick()
            return
        if event.kind == "start":
            self.running[event.cell.id] = event.cell
            click.echo(f"start     {event.cell.id}", err=True)
            return
        self.running.pop(event.cell.id, None)
        if event.kind in ENDINGS:
            click.echo(f"{ENDINGS[event.kind]:9} {event.cell.id}", err=True)
            return
        self.done += 1
        click.echo(f"{format_result(event.record)} ({self.done}/{self.total})", err=True)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self.shown < PLAIN_INTERVAL_S:
            return
        self.shown = now
        for cell in self.running.values():
            progress = read_progress(record_path(self.results, cell).parent)
            if progress is not None:
                click.echo(f"running   {cell.id}: {format_progress(progress)}", err=True)
