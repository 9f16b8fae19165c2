"""Cells, results and durations as lines of text."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from kbench.metrics import TASK_METRICS
from kbench.plan import PlannedCell
from kbench.progress import Progress
from kbench.record import Record
from kbench.state import State


def format_result(record: Record | None) -> str:
    """Return a line about a finished cell."""
    if record is None:
        return ""
    name = TASK_METRICS[record.cell.task]
    found = record.metrics.get(name)
    value = f"{name} {found.value:.2f}" if found else record.reason
    parts = [value, format_seconds(record.finished - record.started)]
    return f"{record.status:9} {record.cell.id}: {', '.join(filter(None, parts))}"


def format_progress(progress: Progress) -> str:
    """Return how far a cell is, in one line."""
    parts = [f"epoch {progress.epoch:.1f}/{progress.epochs}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    if progress.metric is not None:
        parts.append(f"{progress.metric_name} {progress.metric:.2f}")
    if progress.images_per_s:
        parts.append(f"{progress.images_per_s:,.0f} images/s")
    if progress.eta_s is not None:
        parts.append(f"{format_seconds(progress.eta_s)} left")
    return ", ".join(parts)


def format_state(state: State) -> str:
    """Return why a cell is in a state and how far it is, as far as that is known."""
    progress = format_progress(state.progress) if state.progress else ""
    return "; ".join(part for part in (state.reason, progress) if part)


def format_seconds(seconds: float | None) -> str:
    """Return a duration as people write it; a question mark for None."""
    if seconds is None:
        return "?"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def format_count(value: float | None) -> str:
    """Return a count with a unit prefix; a question mark for None."""
    if value is None:
        return "?"
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.2f} {prefix}"
    return f"{value:.0f}"


def format_plan(planned: Sequence[PlannedCell]) -> str:
    """Return a line for every cell, and sums."""
    rows = [
        (
            item.state.kind,
            item.cell.id,
            format_count(item.cost.num_params if item.cost else None),
            format_count(item.cost.macs if item.cost else None),
            format_seconds(item.estimate_s),
            item.state.reason,
        )
        for item in planned
    ]
    headers = ("state", "cell", "params", "MACs", "time", "reason")
    return "\n".join([format_table(headers, rows), "", summarise_plan(planned)])


def summarise_plan(planned: Iterable[PlannedCell]) -> str:
    """Return how many cells are in which state, and what is left to do."""
    planned = list(planned)
    left = [item for item in planned if item.state.kind not in ("done", "invalid")]
    disk = sum(item.disk_mib or 0 for item in left)
    time = _format_times([item.estimate_s for item in left])
    return f"{count_states(planned)}; to do: {time}, {disk:.0f} MiB of weights"


def count_states(planned: Sequence[PlannedCell]) -> str:
    """Return how many cells are in which state."""
    kinds = Counter(item.state.kind for item in planned)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    return f"{len(planned)} cells: {counts}"


def _format_times(estimates: Sequence[float | None]) -> str:
    known = [seconds for seconds in estimates if seconds is not None]
    if estimates and not known:
        return "time not known yet"
    unknown = len(estimates) - len(known)
    more = f" and {unknown} cells of unknown time" if unknown else ""
    return f"{sum(known) / 3600:.2f} h on one device{more}"


def format_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return aligned columns."""
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)
