"""Tables of a suite file: rows, columns, metrics, and where the paper's own numbers are."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kbench.file_model import Filter, Items, Model, OneOrMore, as_list, refuse_shorthand

NonNegative = Annotated[float, Field(ge=0)]


def as_published(value: object) -> object:
    """Return the id of a published table, or a mapping onto one, as a mapping."""
    if isinstance(value, str):
        return {"table": value}
    return value if isinstance(value, dict) else refuse_shorthand(value)


def as_tolerance(value: object) -> object:
    """Return a number, or one for each metric, as `{all, metrics, reason}`."""
    if isinstance(value, int | float):
        return {"all": value}
    if not isinstance(value, dict):
        return refuse_shorthand(value)
    own = {key: item for key, item in value.items() if key in ToleranceSpec.model_fields}
    metrics = {key: item for key, item in value.items() if key not in own}
    return own | {"metrics": metrics} if metrics else own


def as_compare(value: object) -> object:
    """Return the key of a baseline, or a mapping with it, as a mapping."""
    if isinstance(value, str):
        return {"baseline": value}
    return value if isinstance(value, dict) else refuse_shorthand(value)


def as_groups(value: object) -> object:
    """Return a list, or lists by the group's title, as lists by title; a plain list has none."""
    return {"": value} if isinstance(value, list) else value


def two_or_three(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return row and column, or row, column and metric."""
    if not 2 <= len(path) <= 3:
        message = f"[row, column] or [row, column, metric], not {list(path)}"
        raise ValueError(message)
    return path


PlacePath = Annotated[Items[str], AfterValidator(two_or_three)]
Groups = Annotated[
    dict[str, Items[str]],
    BeforeValidator(as_groups, json_schema_input_type=list[str] | dict[str, list[str]]),
]


class PlaceSpec(Model):
    """A place of our table whose published number its labels do not lead to.

    Attributes:
        ours: Row, column and, if the table has several, metric.
        paper: Row, column and, if it is not ours, metric of the published table.
    """

    ours: PlacePath
    paper: PlacePath


class PublishedSpec(Model):
    """Where the paper's own numbers of a table are.

    A row or column is `a/b` where it has two axes, and `a/b/metric` where the paper gives a metric
    a row or column of its own. One that is not given is its own id.

    Attributes:
        table: Id of a table in `suites/published/<paper>.yaml`.
        rows: Our row to the published one; several are runs of which the mean is compared.
        columns: The same for columns.
        metrics: Our metric to the published one.
        cells: Single places, before rows and columns are looked at.
    """

    table: str
    rows: dict[str, OneOrMore[str]] = Field(default_factory=dict)
    columns: dict[str, OneOrMore[str]] = Field(default_factory=dict)
    metrics: dict[str, str] = Field(default_factory=dict)
    cells: Items[PlaceSpec] = ()


class DerivedSpec(Model):
    """A row, column or metric that is the difference or ratio of two others, seed by seed.

    Attributes:
        label: What it is called, in the table and in `published`.
        row: First of the two, if they are rows.
        column: First of the two, if they are columns.
        metric: First of the two, if they are metrics.
        minus: What is subtracted from it.
        over: What it is divided by.
    """

    label: str
    row: str | None = None
    column: str | None = None
    metric: str | None = None
    minus: str | None = None
    over: str | None = None

    @model_validator(mode="after")
    def _has_two_operands(self) -> "DerivedSpec":
        if len([name for name in (self.row, self.column, self.metric) if name is not None]) != 1:
            message = "give one of row, column and metric"
            raise ValueError(message)
        if (self.minus is None) == (self.over is None):
            message = "give one of minus and over"
            raise ValueError(message)
        return self

    @property
    def operands(self) -> tuple[str, str]:
        """Return the names of the two."""
        first = self.row or self.column or self.metric or ""
        return first, self.minus or self.over or ""


class OrderSpec(Model):
    """Which rows and columns are shown, and in which order; not given: all, as in the suite.

    Attributes:
        rows: Rows, or lists of rows by the title of their group.
        columns: The same for columns.
    """

    rows: Groups = Field(default_factory=dict)
    columns: Groups = Field(default_factory=dict)


class ToleranceSpec(Model):
    """Largest difference to a published value that is still `close`, in the metric's unit.

    Attributes:
        all: For every metric that is not given.
        metrics: For single metrics.
        reason: Why so much; printed below the table.
    """

    all: NonNegative | None = None
    metrics: dict[str, NonNegative] = Field(default_factory=dict)
    reason: str | None = None

    def of(self, metric: str) -> float | None:
        """Return the tolerance of a metric; None if there is none."""
        return self.metrics.get(metric, self.metrics.get(metric.partition(".")[0], self.all))


class CompareSpec(Model):
    """What the other operators, architectures or recipes of a table are tested against.

    Attributes:
        baseline: Its label in the rows or columns; `a/b` where it has two axes.
        intervals: Whether the differences to it, with their 95 % confidence intervals, are shown.
    """

    baseline: str
    intervals: bool = False


class TableSpec(Model):
    """One table of a report.

    Attributes:
        id: Name of the table within the suite; part of file names and LaTeX macros.
        title: Caption; the suite's title if not given.
        rows: Axes of the rows, such as `dataset` or `operator.expansion`.
        columns: Axes of the columns, outermost first.
        metric: Metrics of a cell.
        metrics_as: Whether several metrics are the innermost level of columns or of rows.
        parts: Suffixes of the metrics, such as `layer1` or `epoch3`: an innermost level of rows.
        where: Only cells whose axes have these labels.
        mean_over: Axes over which a place is a mean, such as `dataset.image`.
        rename: Label of an axis to the one it goes by, so that two can share a row or column.
        derived: Differences and ratios of rows, columns or metrics.
        compare: Baseline that the others are tested against, seed by seed.
        order: Rows and columns that are shown, their order and groups.
        labels: Printed text of labels, metrics and axes; empty hides a header.
        row_notes: Footnotes of rows.
        column_notes: Footnotes of columns.
        published: The paper's numbers to print beside ours; of several the first that has one.
        tolerance: Largest difference to a published value that is still `close`.
        notes: Footnotes: differences of protocol, gaps.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: str | None = None
    rows: OneOrMore[str]
    columns: OneOrMore[str]
    metric: OneOrMore[str]
    metrics_as: Literal["columns", "rows"] = "columns"
    parts: Items[str] = ()
    where: Filter = Field(default_factory=dict)
    mean_over: Items[str] = ()
    rename: dict[str, str] = Field(default_factory=dict)
    derived: Items[DerivedSpec] = ()
    compare: (
        Annotated[
            CompareSpec,
            BeforeValidator(as_compare, json_schema_input_type=str | dict[str, Any]),
        ]
        | None
    ) = None
    order: OrderSpec = OrderSpec()
    labels: dict[str, str] = Field(default_factory=dict)
    row_notes: dict[str, str] = Field(default_factory=dict)
    column_notes: dict[str, str] = Field(default_factory=dict)
    published: Annotated[
        Items[
            Annotated[
                PublishedSpec,
                BeforeValidator(as_published, json_schema_input_type=str | dict[str, Any]),
            ]
        ],
        BeforeValidator(as_list, json_schema_input_type=str | dict[str, Any] | list[Any]),
    ] = ()
    tolerance: Annotated[
        ToleranceSpec,
        BeforeValidator(as_tolerance, json_schema_input_type=float | dict[str, Any]),
    ] = ToleranceSpec()
    notes: Items[str] = ()
