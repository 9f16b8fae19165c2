"""Names that suites may use, with summaries and options."""

from collections.abc import Sequence
from pathlib import Path

from kbench.catalogue import Entry, find_entries
from kbench.cell import as_text
from kbench.formats import format_table
from kbench.metrics import METRICS
from kbench.yaml_file import read_yaml

SUITES = Path("suites")
ARROWS = {"max": "higher is better", "min": "lower is better", "none": ""}


def format_listing(kind: str) -> str:
    """Return a line for every name of a kind.

    Args:
        kind: `recipes`, `suites` (of the folder `suites`), `metrics`, or a registry in the plural.
    """
    if kind == "metrics":
        rows: list[Sequence[str]] = [
            (metric.name, metric.unit, ARROWS[metric.direction], metric.summary)
            for metric in METRICS.values()
        ]
        return format_table(("metric", "unit", "direction", "summary"), rows)
    if kind == "recipes":
        return format_table(("recipe", "summary"), _read_files("recipes/*.yaml", "summary"))
    if kind == "suites":
        paths = [path for path in sorted(SUITES.rglob("*.yaml")) if is_suite(path)]
        titles = [(str(path), _value(path, "title")) for path in paths]
        return format_table(("suite", "title"), titles)
    singular = kind.removesuffix("s")
    rows = [_row(entry) for entry in find_entries(singular).values()]
    return format_table((singular, "summary", "options"), rows)


def _row(entry: Entry) -> tuple[str, str, str]:
    options = [
        f"{name}={as_text(option.default)} ({option.allowed})"
        for name, option in entry.options.items()
    ]
    return entry.name, entry.summary, "\n".join(options)


def is_suite(path: Path) -> bool:
    """Return whether a file is a suite by its folder, and no recipe or published number."""
    return not {"recipes", "published"} & set(path.parent.parts[-2:])


def _read_files(pattern: str, key: str) -> list[tuple[str, str]]:
    return [(path.stem, _value(path, key)) for path in sorted(SUITES.glob(pattern))]


def _value(path: Path, key: str) -> str:
    value = read_yaml(path).value
    return str(value.get(key, "")) if isinstance(value, dict) else ""
