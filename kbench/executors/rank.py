"""One of the processes that run a cell together: `python -m kbench.executors.rank JOB`."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from kbench.cell import Cell
from kbench.errors import InterruptedCellError
from kbench.executors.worker import LOG, import_extensions, redirect_output
from kbench.machine import Machine
from kbench.ranks import TorchrunRanks
from kbench.record import write_record
from kbench.run_cell import run_cell

WATCH_S = 1.0


def main(job: Path) -> None:
    """Run this process's part of a cell; the first process writes the record."""
    value = json.loads(job.read_text())
    directory = Path(value["directory"])
    machine = Machine(**{**value["machine"], "data_root": Path(value["machine"]["data_root"])})
    cell = Cell.from_json(value["cell"])
    stop = stop_with_parent()
    redirect_output(directory / LOG)
    import_extensions(cell)
    ranks = TorchrunRanks(machine.device)
    try:
        record = run_cell(cell, directory, machine, stop, ranks)
    except InterruptedCellError as error:
        if ranks.is_first:
            sys.stderr.write(f"{error}\n")
        return
    if ranks.is_first:
        write_record(directory, record)


def stop_with_parent() -> threading.Event:
    """Return what a signal to end sets, or the end of torchrun."""
    stop, parent = threading.Event(), os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: stop.set())

    def watch() -> None:
        while not stop.wait(WATCH_S):
            if os.getppid() != parent:
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    return stop


if __name__ == "__main__":
    main(Path(sys.argv[1]))
