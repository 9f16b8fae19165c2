"""Numbers as text, the same in every format."""

from kbench.metrics import Metric
from kbench.report.table import Entry

ASCII_MINUS = "-"


def number(metric: Metric, value: float) -> str:
    """Return a value with the metric's decimals, and thousands apart where it has none."""
    text = f"{value:,.0f}" if metric.decimals == 0 else f"{value:.{metric.decimals}f}"
    return text.removeprefix(ASCII_MINUS) if float(text.replace(",", "")) == 0 else text


def difference(metric: Metric, value: float) -> str:
    """Return a value with its sign."""
    text = number(metric, value)
    is_zero = float(text.replace(",", "")) == 0
    return f"±{text}" if is_zero else f"{'' if value < 0 else '+'}{text}"


def spread(metric: Metric, entry: Entry, common_n: int | None) -> str:
    """Return what stands behind a mean: nothing, the deviation, or the deviation and n.

    A count that is the same for every seed, such as that of parameters, has no deviation.
    """
    is_constant = entry.std == 0 and not metric.unit
    if entry.std is None or is_constant:
        return ""
    count = "" if entry.n == common_n else f" (n={entry.n})"
    return f" ± {number(metric, entry.std)}{count}"


def published_spread(metric: Metric, entry: Entry) -> str:
    """Return what stands behind a published mean."""
    return "" if entry.published_std is None else f" ± {number(metric, entry.published_std)}"
