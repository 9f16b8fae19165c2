"""Progress bars for a terminal."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kbench.cell import Cell
from kbench.executors.local import Event
from kbench.formats import format_progress, format_result
from kbench.progress import read_progress
from kbench.record import record_path


class BarDisplay:
    """A bar for the suite and one for every running cell.

    Args:
        results: Folder of all results.
        total: Number of cells.
    """

    def __init__(self, results: Path, total: int) -> None:
        self.results = results
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self.suite = self.progress.add_task("cells", total=total, text=f"0/{total}")
        self.total = total
        self.tasks: dict[str, tuple[Cell, TaskID]] = {}

    def __enter__(self) -> "BarDisplay":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def show(self, event: Event) -> None:
        """Move the bars; print a line for a cell that has ended."""
        if event.cell is None:
            self._tick()
        elif event.kind == "start":
            task = self.progress.add_task(event.cell.id, total=event.cell.recipe.epochs, text="")
            self.tasks[event.cell.id] = (event.cell, task)
        else:
            if event.cell.id in self.tasks:  # else it could not be started
                self.progress.remove_task(self.tasks.pop(event.cell.id)[1])
            ending = "elsewhere" if event.kind == "elsewhere" else "stopped"
            text = format_result(event.record) if event.record else f"{ending:9} {event.cell.id}"
            self.progress.console.print(text, highlight=False, markup=False, soft_wrap=True)
            if event.record:
                self.progress.advance(self.suite)
                done = int(self.progress.tasks[0].completed)
                self.progress.update(self.suite, text=f"{done}/{self.total}")

    def _tick(self) -> None:
        for cell, task in self.tasks.values():
            found = read_progress(record_path(self.results, cell).parent)
            if found is not None:
                self.progress.update(task, completed=found.epoch, text=format_progress(found))
