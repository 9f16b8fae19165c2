"""What is read from source without torch is what the registries hold once it is imported."""

import ast
import importlib
import re

import pytest

from kbench import registry
from kbench.catalogue import (
    KINDS,
    Option,
    _literal,
    describe,
    find_clashes,
    find_entries,
    read_entries,
)

for package, _ in KINDS.values():
    importlib.import_module(f"kbench.{package}")
LIVE = {kind: getattr(registry, instance) for kind, (_, instance) in KINDS.items()}
ENTRIES = [(kind, name) for kind in KINDS for name in read_entries(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_name_is_read_from_source(kind) -> None:
    assert set(read_entries(kind)) == set(LIVE[kind])
    assert list(read_entries(kind)) == sorted(LIVE[kind])


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=map("-".join, ENTRIES))
def test_an_entry_read_from_source_is_that_of_the_factory(kind, name) -> None:
    assert read_entries(kind)[name] == describe(name, LIVE[kind][name])


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=map("-".join, ENTRIES))
def test_every_entry_has_a_summary_and_every_option_a_kind(kind, name) -> None:
    entry = read_entries(kind)[name]
    assert re.fullmatch(r"\S.*\.", entry.summary)
    assert entry.version >= 1
    assert all(option.types or option.choices for option in entry.options.values())


def test_versions_are_read_from_the_class_and_its_bases() -> None:
    found = {name: entry.version for name, entry in read_entries("operator").items()}
    assert found == {name: getattr(item, "version", 1) for name, item in LIVE["operator"].items()}


@pytest.fixture
def smear(request):
    """Register an operator of a user's own."""
    request.getfixturevalue("registries")

    class Smear:
        """Operator of a user's own.

        More about it.
        """

        version = 7

        def __init__(self, channels: int, *, width: int | float = 3, kind: str = "flat") -> None:
            self.channels, self.width, self.kind = channels, width, kind

    registry.OPERATORS.register("smear")(Smear)
    return Smear


class TextAnnotations:
    def __init__(
        self, *arguments: int, gain: "float" = 1.0, kind: "str | None" = None, **more: int
    ) -> None:
        pass


def unnamed_annotation(*, gain: "NoSuchType" = 1.0) -> None:  # noqa: F821 - what is tested
    return gain


def without_annotation(*, gain=1.0) -> None:
    return gain


ANYTHING = Option(("bool", "int", "float", "str", "None"), (), 1.0)


@pytest.mark.parametrize(
    ("factory", "options"),
    [
        (
            TextAnnotations,
            {"gain": Option(("float",), (), 1.0), "kind": Option(("str", "None"), (), None)},
        ),
        (unnamed_annotation, {"gain": ANYTHING}),
        (without_annotation, {"gain": ANYTHING}),
    ],
    ids=["text", "text-without-meaning", "none"],
)
def test_annotations_may_be_texts_or_missing(factory, options) -> None:
    assert describe("own", factory).options == options


def test_an_option_that_no_suite_can_write_says_so() -> None:
    option = describe("own", takes_a_tuple).options["sides"]
    with pytest.raises(ValueError, match="expected nothing that a suite can write, got 3"):
        option.accept(3)


def takes_a_tuple(*, sides: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    return sides


@pytest.mark.usefixtures("smear")
def test_names_that_others_registered_are_found_too() -> None:
    entry = find_entries("operator")["smear"]
    assert (entry.name, entry.summary, entry.version) == (
        "smear",
        "Operator of a user's own.",
        7,
    )
    assert entry.options == {
        "width": Option(("int", "float"), (), 3),
        "kind": Option(("str",), (), "flat"),
    }
    assert list(find_entries("operator")) == sorted([*read_entries("operator"), "smear"])
    assert "smear" not in read_entries("operator")


def test_a_name_of_kbench_registered_by_others_is_a_clash(smear) -> None:
    assert find_clashes() == []
    registry.OPERATORS._entries["lc"] = smear
    registry.OPERATORS_1D._entries["niff"] = smear
    assert find_clashes() == [
        f"operator 'lc' is registered twice: by kbench and by {smear.__module__}",
        f"1-D operator 'niff' is registered twice: by kbench and by {smear.__module__}",
    ]


OPTIONS = {
    "int": Option(("int",), (), 1),
    "float": Option(("float",), (), 1.0),
    "bool": Option(("bool",), (), default=True),
    "str": Option(("str",), (), "x"),
    "choice": Option((), ("a", 1), "a"),
    "either": Option(("float",), ("same",), "same"),
    "null": Option(("float", "None"), (), None),
    "none": Option((), ("none", "some"), "some"),
}


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        ("int", 3, 3),
        ("float", 3, 3.0),
        ("float", 3.5, 3.5),
        ("bool", False, False),
        ("str", "y", "y"),
        ("choice", "a", "a"),
        ("choice", 1, 1),
        ("either", 2, 2.0),
        ("either", "same", "same"),
        ("null", None, None),
        ("null", 2, 2.0),
        ("none", None, "none"),
    ],
    ids=str,
)
def test_values_that_the_annotation_allows_are_accepted(option, value, accepted) -> None:
    assert repr(OPTIONS[option].accept(value)) == repr(accepted)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("int", 3.0, "expected int, got 3.0"),
        ("int", True, "expected int, got True"),
        ("float", True, "expected float, got True"),
        ("float", "3", "expected float, got '3'"),
        ("bool", 1, "expected bool, got 1"),
        ("str", 1, "expected str, got 1"),
        ("choice", "b", "expected 'a' | 1, got 'b'"),
        ("choice", True, "expected 'a' | 1, got True"),
        ("choice", 1.0, "expected 'a' | 1, got 1.0"),
        ("either", "other", "expected float | 'same', got 'other'"),
        ("either", None, "expected float | 'same', got null"),
        ("null", "none", "expected float | null, got 'none'"),
    ],
    ids=str,
)
def test_other_values_are_refused(option, value, message) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        OPTIONS[option].accept(value)


@pytest.mark.parametrize(
    ("option", "value", "is_default"),
    [
        ("int", 1, True),
        ("int", True, False),
        ("float", 1, True),
        ("bool", True, True),
        ("bool", 1, False),
        ("str", "y", False),
        ("null", None, True),
        ("null", 0.0, False),
    ],
    ids=str,
)
def test_a_boolean_is_no_number(option, value, is_default) -> None:
    assert OPTIONS[option].is_default(value) is is_default


@pytest.mark.parametrize(
    ("source", "value"), [("1 / 255", 1 / 255), ("-0.5", -0.5), ("(1, 2)", (1, 2)), ("None", None)]
)
def test_defaults_are_read_as_values(source, value) -> None:
    assert _literal(ast.parse(source, mode="eval").body) == value


def test_null_is_taken_where_the_annotation_has_none() -> None:
    radius = find_entries("operator")["njet"].options["max_radius"]
    assert radius.accept(None) is None


def test_null_stands_for_the_choice_none() -> None:
    assert find_entries("operator")["lc"].options["intermediate"].accept(None) == "none"


def test_null_is_refused_elsewhere() -> None:
    with pytest.raises(ValueError, match="expected int, got null"):
        find_entries("operator")["lc"].options["expansion"].accept(None)
