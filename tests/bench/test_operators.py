from dataclasses import replace
from functools import partial

import pytest

from kbench.bench import operators as bench_operators
from kbench.bench import shapes as bench_shapes
from kbench.bench.forms import FormCost, Settings
from kbench.bench.operators import (
    Case,
    build_networks,
    compare_form,
    network_cases,
    operator_cases,
)
from kbench.bench.shapes import Shape, Variant, build_forms
from kbench.errors import UnknownNameError, UnsupportedError
from kbench.registry import OPERATORS, OPERATORS_1D
from kbench.timing import Timing

SETTINGS = Settings(batch_size=2, repetitions=1)
TINY = Shape(4, (6, 6))
COSTS = {
    "operator": FormCost(10, 300, Timing((0.001, 0.002)), Timing((0.004, 0.006)), 1.5),
    "plain": FormCost(40, 100, Timing((0.002, 0.004)), Timing((0.002, 0.002)), 3.0),
    "literal": FormCost(10, 3 * 10**11),
}


@pytest.fixture
def case():
    return Case("lc E=3", TINY.input_shape, 2, partial(build_forms, "lc", Variant(), TINY))


def test_ratios_are_the_operators_numbers_over_the_forms(case):
    row = compare_form(case, "plain", COSTS, SETTINGS, "kernel 3x3")
    assert row.forward_ratio == pytest.approx(0.5)
    assert row.step_ratio == pytest.approx(2.5)
    assert (row.memory_ratio, row.params_ratio, row.macs_ratio) == (0.5, 0.25, 3.0)
    assert (row.forward_ms, row.step_ms) == pytest.approx((3.0, 2.0))
    assert (row.forward_low_ms, row.forward_high_ms) == pytest.approx((2.5, 3.5))
    assert row.note == "kernel 3x3"


def test_ratios_of_the_operator_to_itself_are_one(case):
    row = compare_form(case, "operator", COSTS, SETTINGS)
    ratios = (row.forward_ratio, row.step_ratio, row.memory_ratio, row.params_ratio, row.macs_ratio)
    assert ratios == (1.0,) * 5


def test_a_form_that_was_not_timed_says_why(case):
    row = compare_form(case, "literal", COSTS, SETTINGS)
    assert (row.step_ms, row.step_ratio, row.memory_ratio) == (None, None, None)
    assert row.macs_ratio == pytest.approx(1e-9)
    assert row.note == "not timed: 300 GMACs"


def test_rows_say_how_they_were_measured(case):
    settings = replace(SETTINGS, precision="bf16", channels_last=True, clock="cpu")
    row = compare_form(case, "plain", COSTS, settings)
    assert (row.operator, row.shape, row.batch_size) == ("lc E=3", "4x6x6", 2)
    assert (row.precision, row.layout, row.is_compiled) == ("bf16", "channels_last", False)
    assert (row.device, row.clock) == ("cpu", "cpu")


def test_every_form_of_a_case_has_a_row(case):
    told = []
    rows = bench_operators.bench_operators([case], SETTINGS, told.append)
    assert [row.form for row in rows] == ["operator", "plain", "literal"]
    assert told == ["lc E=3, 4x6x6, batch 2"]
    for row in rows:
        assert row.forward_low_ms <= row.forward_ms <= row.forward_high_ms
        assert row.step_ratio > 0


def test_a_line_has_no_layout(case):
    line = replace(case, input_shape=(4, 20))
    with pytest.raises(UnsupportedError, match="channels_last exists for maps with two axes only"):
        bench_operators.bench_operators([line], replace(SETTINGS, channels_last=True))


def test_all_registered_operators_are_measured_where_they_exist():
    shapes = (TINY, Shape(4, (20,)))
    cases = [
        (case.operator.split()[0], len(case.input_shape)) for case in operator_cases((), shapes, 2)
    ]
    assert {name for name, axes in cases if axes == 3} == set(OPERATORS)
    assert {name for name, axes in cases if axes == 2} == set(OPERATORS_1D)


def test_an_operator_that_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match=r"unknown operator 'nif' \(did you mean 'niff'"):
        list(operator_cases(("nif",), (TINY,), 2))


def test_whole_networks_are_measured_at_both_batch_sizes():
    cases = list(network_cases("lc", "expansion", (8, 128)))
    assert [(case.operator, case.batch_size) for case in cases] == [
        ("lc expansion=8, resnet20_cifar", 8),
        ("lc expansion=128, resnet20_cifar", 8),
        ("lc expansion=8, resnet20_cifar", 128),
        ("lc expansion=128, resnet20_cifar", 128),
    ]


def test_networks_differ_in_their_convolutions_only():
    networks = build_networks("lc", {"expansion": 2})
    sizes = {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()}
    assert sizes["operator"] == sizes["literal"] > sizes["plain"]
    folded = {
        name: {m.is_folded for m in net.modules() if hasattr(m, "is_folded")}
        for name, net in networks.items()
    }
    assert folded == {"operator": {True}, "plain": set(), "literal": {False}}


def test_default_variants_are_used_for_unlisted_operators(monkeypatch):
    monkeypatch.setattr(bench_shapes, "VARIANTS", {})
    (case,) = operator_cases(("conv",), (TINY,), 3)
    assert (case.operator, case.batch_size) == ("conv k=3", 3)
