"""Which published numbers the suites measure: by number, and counted by paper."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kbench.report.published import Published, PublishedCell, PublishedTable
from kbench.report.reference import Source, Verdict
from kbench.report.table import Table
from kbench.report.uncovered import Uncovered

Places = Mapping[tuple[str, Source], Sequence["Place"]]
SCALES = ("full", "small", "smoke")
VERDICTS: tuple[Verdict, ...] = ("match", "close", "off", "n/a")


@dataclass(frozen=True)
class Place:
    """Where a suite puts a published number beside one of its own.

    Attributes:
        suite: Name of the suite.
        scale: Scale of the cells.
        table: Name of its table.
        row: Key of the row.
        column: Key of the column.
        metric: Metric.
        is_measured: Whether there is a number.
        verdict: How it stands to the published one.
    """

    suite: str
    scale: str
    table: str
    row: str
    column: str
    metric: str
    is_measured: bool
    verdict: Verdict | None

    def __str__(self) -> str:
        """Return suite, table, row, column and metric."""
        return f"{self.suite}: {self.table}: {self.row} | {self.column} | {self.metric}"


@dataclass(frozen=True)
class Coverage:
    """One published number and what becomes of it.

    Attributes:
        table: Its table.
        cell: The number.
        places: Where suites measure it.
        reason: Why no suite does; empty if none is given.
    """

    table: PublishedTable
    cell: PublishedCell
    places: tuple[Place, ...]
    reason: str

    @property
    def is_covered(self) -> bool:
        """Return whether the full scale of a suite has cells for it."""
        return any(place.scale == "full" for place in self.places)

    def is_run(self, scale: str) -> bool:
        """Return whether it was measured at a scale."""
        return any(place.is_measured and place.scale == scale for place in self.places)

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the first place that was run at full scale."""
        measured = [place for place in self.places if place.scale == "full"]
        for place in measured:
            if place.is_measured and place.verdict is not None:
                return place.verdict
        return "not run" if measured else "n/a"


def find_places(tables: Iterable[Table]) -> dict[tuple[str, Source], list[Place]]:
    """Return where tables measure published numbers, by paper and source."""
    found: dict[tuple[str, Source], list[Place]] = {}
    for table in tables:
        for row, entries in zip(table.rows, table.entries, strict=True):
            for column, entry in zip(table.columns, entries, strict=True):
                place = Place(
                    table.suite,
                    "+".join(table.scales),
                    table.id,
                    row.place,
                    column.place,
                    entry.metric.name,
                    entry.value is not None,
                    entry.verdict,
                )
                for source in entry.sources if entry.has_cells else ():
                    found.setdefault((table.paper, source), []).append(place)
    return found


def find_coverage(
    published: Published, places: Places, uncovered: Sequence[Uncovered]
) -> list[Coverage]:
    """Return what becomes of every number of a paper that is known, in the paper's order."""
    found = []
    for table in published.tables:
        for cell in table.cells:
            if cell.value is None:
                continue
            source = Source(table.id, cell.row, cell.column, cell.metric or table.metric)
            own = places.get((published.paper, source), ())
            reasons = [rule.reason for rule in uncovered if rule.holds_for(table, cell)]
            found.append(Coverage(table, cell, tuple(own), reasons[0] if reasons else ""))
    return found


def summarise_paper(paper: str, found: Sequence[Coverage]) -> dict[str, object]:
    """Return the counts of one paper."""
    covered = [item for item in found if item.is_covered]
    verdicts = [item.verdict for item in covered]
    return {
        "paper": paper,
        "published": len(found),
        "covered": len(covered),
        "not covered, with reason": sum(bool(i.reason) for i in found if not i.is_covered),
        "neither": sum(not i.reason for i in found if not i.is_covered),
        **{f"run {scale}": sum(item.is_run(scale) for item in found) for scale in SCALES},
        **{verdict: verdicts.count(verdict) for verdict in VERDICTS},
    }


def add_up(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the sums of the counts of all papers."""
    keys = [key for row in rows[:1] for key in row if key != "paper"]
    sums = {key: sum(int(str(row[key])) for row in rows) for key in keys}
    return {"paper": "all", **sums}


def describe(paper: str, item: Coverage) -> dict[str, object]:
    """Return one published number as a line of the list."""
    table, cell = item.table, item.cell
    kind = cell.kind or table.kind
    places = [str(place) for place in item.places if place.scale == "full"]
    return {
        "paper": paper,
        "table": table.id,
        "row": cell.row,
        "column": cell.column,
        "metric": cell.metric or table.metric,
        "value": _written(cell),
        "unit": cell.unit or table.unit,
        "kind": kind if kind != "absolute" else "",
        "evidence": cell.evidence,
        "suite cell": "; ".join(dict.fromkeys(places)),
        "verdict": item.verdict if places else "",
        "reason": "" if places else item.reason or "NO SUITE CELL AND NO REASON",
    }


def _written(cell: PublishedCell) -> str:
    """Return a number as the paper prints it."""
    sign = "~" if cell.evidence == "figure" else ""
    spread = "" if cell.std is None else f" ± {cell.std:g}"
    return f"{sign}{cell.text or cell.value}{spread}"
