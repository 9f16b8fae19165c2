"""Numbers as text, the same in every format."""

from kbench.metrics import Metric
from kbench.report.statistics import LEVEL
from kbench.report.table import Entry

BETTER, WORSE = "†", "\N{DOUBLE DAGGER}"
ASCII_MINUS = "-"
SMALL_DIGITS = 2
MORE_DIGITS = 2


def number(metric: Metric, value: float) -> str:
    """Return a value with the metric's decimals, and thousands apart where it has none.

    What would be all zeros without being zero has two digits and an exponent, as `2.0e-08`.
    """
    text = f"{value:,.0f}" if metric.decimals == 0 else f"{value:.{metric.decimals}f}"
    if float(text.replace(",", "")) != 0:
        return text
    if value != 0 and metric.decimals and not metric.unit and metric.direction == "min":
        return f"{value:.{SMALL_DIGITS - 1}e}"
    return text.removeprefix(ASCII_MINUS)


def difference(metric: Metric, value: float) -> str:
    """Return a value with its sign."""
    text = number(metric, value)
    is_zero = float(text.replace(",", "")) == 0
    return f"±{text}" if is_zero else f"{'' if value < 0 else '+'}{text}"


def spread(entry: Entry, common_n: int | None) -> str:
    """Return what stands behind a mean: nothing, the deviation, or the deviation and n.

    A count that is the same for every seed, such as that of parameters, has no deviation.
    """
    is_constant = entry.std == 0 and not entry.metric.unit
    if entry.std is None or is_constant:
        return ""
    count = "" if entry.n == common_n else f" (n={entry.n})"
    return f" ± {number(entry.metric, entry.std)}{count}"


def significance(entry: Entry) -> str:
    """Return a mark for what is significantly better or worse than the baseline, or nothing."""
    contrast = entry.contrast
    if contrast is None or contrast.p_value > LEVEL:
        return ""
    return BETTER if (contrast.difference > 0) == (entry.metric.direction == "max") else WORSE


def contrast(entry: Entry) -> tuple[str, str]:
    """Return the difference to the baseline, and half of its interval; nothing without one."""
    if entry.contrast is None:
        return "", ""
    half_width = number(entry.metric, entry.contrast.half_width)
    return difference(entry.metric, entry.contrast.difference), f" ± {half_width}"


def published(entry: Entry) -> str:
    """Return the published number with its sign; empty where the paper has no cell."""
    if entry.published is None:
        return entry.published_text
    return f"{entry.sign}{_printed(entry.metric, entry.published)}"


def published_spread(entry: Entry) -> str:
    """Return what stands behind a published mean."""
    return (
        "" if entry.published_std is None else f" ± {_printed(entry.metric, entry.published_std)}"
    )


def _printed(metric: Metric, value: float) -> str:
    """Return a published number with no digit cut off.

    Means over published numbers, whose digits do not end, have the metric's decimals.
    """
    digits = len(f"{value:.10f}".rstrip("0").partition(".")[2])
    if metric.decimals < digits <= metric.decimals + MORE_DIGITS:
        return f"{value:,.{digits}f}" if metric.decimals == 0 else f"{value:.{digits}f}"
    return number(metric, value)
