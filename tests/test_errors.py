import inspect
import re

import pytest

from kbench import errors

CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if inspect.isclass(item) and issubclass(item, Exception)
}


def drawn_tree() -> dict[str, str]:
    """Names in the tree of the module's docstring, each with the base in brackets."""
    found = re.findall(r"^ +(\w+Error)(?: \((\w+)\))?  ", errors.__doc__, re.MULTILINE)
    return dict(found)


def test_tree_in_the_docstring_is_complete() -> None:
    assert set(drawn_tree()) == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_a_kbench_error_and_what_the_tree_says(name: str) -> None:
    builtin = {
        "ValueError": ValueError,
        "LookupError": LookupError,
        "TypeError": TypeError,
        "": Exception,
    }
    assert issubclass(CLASSES[name], errors.KBenchError)
    assert issubclass(CLASSES[name], builtin[drawn_tree()[name]])


def test_suite_error_shows_a_line_for_each_finding() -> None:
    error = errors.SuiteError(line for line in ("a.yaml:1: one", "a.yaml:2: two"))
    assert error.findings == ("a.yaml:1: one", "a.yaml:2: two")
    assert str(error) == "a.yaml:1: one\na.yaml:2: two"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("nif", ["niff", "njet"], " (did you mean 'niff'?)"),
        ("zzz", ["niff", "njet"], ""),
        ("niff", [], ""),
    ],
    ids=["near", "far", "nothing_known"],
)
def test_guess(name: str, known: list[str], expected: str) -> None:
    assert errors.guess(name, iter(known)) == expected


def test_unknown_lists_what_is_known_in_order() -> None:
    message = errors.unknown("operator", "nif", iter(["njet", "niff"]))
    assert message == "unknown operator 'nif' (did you mean 'niff'?); known: niff, njet"


def test_message_for_an_option_guesses() -> None:
    message = errors.unknown_option("fruit", "pear", "colr", ["ripe", "colour"])
    assert message == (
        "fruit 'pear' has no option 'colr' (did you mean 'colour'?); it takes ['colour', 'ripe']"
    )
