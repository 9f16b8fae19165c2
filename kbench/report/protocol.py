"""Protocols: whether numbers came about alike, and as in the paper."""

from collections import Counter
from collections.abc import Sequence

from kbench.cell import Cell
from kbench.report.axes import Path
from kbench.report.collect import Point
from kbench.table_file import TableSpec

RECIPE_FIELDS = ("loader", "precision", "batch_size")


def is_papers_protocol(cell: Cell) -> bool:
    """Return whether a cell is of the full scale and uses all images."""
    return cell.scale == "full" and cell.limit.train is None and cell.limit.test is None


def protocol_differences(points: Sequence[Point], spec: TableSpec) -> dict[tuple[Path, Path], str]:
    """Return how points depart from the protocol that most of them have.

    Loader, precision, batch size, limit and scale have to be the same, but for those that the table
    itself has as an axis.

    Returns:
        A text for each point that departs, by row and column; empty if all are alike.
    """
    axes = {*spec.rows, *spec.columns}
    protocols = [_protocol(point, axes) for point in points]
    if len({tuple(protocol.values()) for protocol in protocols}) < 2:
        return {}
    counts = Counter(tuple(protocol.items()) for protocol in protocols)
    usual = dict(counts.most_common(1)[0][0])
    departures = {
        (point.row, point.column): _departure(protocol, usual)
        for point, protocol in zip(points, protocols, strict=True)
    }
    return {place: text for place, text in departures.items() if text}


def _departure(protocol: dict[str, str], usual: dict[str, str]) -> str:
    return ", ".join(
        f"{name} {value} instead of {usual[name]}"
        for name, value in protocol.items()
        if value != usual[name]
    )


def _protocol(point: Point, axes: set[str]) -> dict[str, str]:
    recipe, limit = point.cell.recipe, point.cell.limit
    shown = {
        name: str(getattr(recipe, name)) for name in RECIPE_FIELDS if f"recipe.{name}" not in axes
    }
    images = f"{limit.train or 'all'} train, {limit.test or 'all'} test"
    return {**shown, "limit": images, "scale": point.cell.scale}
