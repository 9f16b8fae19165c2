from kbench.report.headings import Heading, arrange, find_unknown, make_headings, with_levels
from kbench.report.quantity import plain
from kbench.table_file import DerivedSpec

CONV, LC = Heading(("conv",)), Heading(("lc",))


def test_differences_stand_behind_the_rows_they_subtract():
    found = make_headings([("lc",), ("conv",)], [], ["lc - conv", "lc", "niff - conv"])
    assert [heading.labels[0] for heading in found] == ["lc", "conv", "lc - conv"]
    assert found[2].operands == (("lc",), ("conv",))


def test_a_ratio_has_the_label_that_the_suite_gives_it():
    spec = DerivedSpec(label="slowdown", column="lc/8", over="conv/1")
    found = make_headings([("conv", "1"), ("lc", "8")], [spec])
    assert (found[2].labels, found[2].operation) == (("slowdown", ""), "over")
    assert found[2].operands == (("lc", "8"), ("conv", "1"))


def test_parts_and_metrics_are_the_innermost_levels():
    found = with_levels([CONV], ["layer1", "layer2"], [plain("top1"), plain("loss")])
    assert [heading.names()[0] for heading in found] == [
        "conv/layer1/top1",
        "conv/layer1/loss",
        "conv/layer2/top1",
        "conv/layer2/loss",
    ]


def test_a_heading_goes_by_its_key_with_and_without_part_and_metric():
    heading = Heading(("conv", "8"), part="layer1")
    assert heading.names("top1") == ["conv/8/layer1/top1", "conv/8/layer1", "conv/8/top1", "conv/8"]


def test_without_an_order_everything_is_shown():
    assert arrange([LC, CONV], {}, {}) == [LC, CONV]


def test_an_order_leaves_out_and_groups():
    found = arrange([LC, CONV, Heading(("niff",))], {"Plain": ["conv"], "New": ["lc"]}, {})
    assert [(heading.key, heading.group) for heading in found] == [("conv", "Plain"), ("lc", "New")]


def test_a_key_of_the_paper_alone_is_a_row_without_points():
    found = arrange([CONV], {"": ["dilrnn", "conv", "gone"]}, {"dilrnn": "DilRNN (2017)"})
    assert [(heading.key, heading.is_measured) for heading in found] == [
        ("dilrnn", False),
        ("conv", True),
    ]


def test_a_key_of_a_metric_picks_one_of_its_rows():
    headings = with_levels([CONV, LC], [], [plain("top1"), plain("loss")])
    found = arrange(headings, {"": ["lc/loss", "conv"]}, {})
    assert [heading.names()[0] for heading in found] == ["lc/loss", "conv/top1", "conv/loss"]


def test_a_key_that_nothing_goes_by_is_refused():
    message = "order.rows: unknown key 'konv' (did you mean 'conv'?); known: conv, conv/top1"
    (finding,) = find_unknown("order.rows", ["konv", "conv", "conv/top1"], [CONV], ["top1"])
    assert finding == message
