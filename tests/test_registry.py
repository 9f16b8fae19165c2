import pytest

from kbench.errors import UnknownNameError
from kbench.registry import Registry


@pytest.fixture
def registry() -> Registry:
    registry = Registry("fruit")

    @registry.register("pear")
    def pear(size: int, *, ripe: bool = True, colour: str = "green") -> tuple[int, bool, str]:
        return size, ripe, colour

    @registry.register("apple")
    class Apple:
        def __init__(self, size: int, *, sort: str = "cox") -> None:
            self.size, self.sort = size, sort

    return registry


def test_is_a_mapping_sorted_by_name(registry: Registry) -> None:
    assert list(registry) == ["apple", "pear"]
    assert len(registry) == 2
    assert "pear" in registry
    assert "plum" not in registry
    assert 3 not in registry
    assert registry["pear"](2, ripe=False) == (2, False, "green")


def test_register_returns_the_factory() -> None:
    factory = object.__new__
    assert Registry("fruit").register("plum")(factory) is factory


def test_a_name_is_registered_once(registry: Registry) -> None:
    with pytest.raises(ValueError, match=r"^fruit 'pear' is registered twice$"):
        registry.register("pear")(dict)
    assert registry["pear"] is not dict


def test_an_option_has_a_default(registry: Registry) -> None:
    def plum(size: int, *, ripe: bool = True, colour: str) -> tuple[int, bool, str]:
        return size, ripe, colour

    with pytest.raises(ValueError, match=r"^fruit 'plum': option 'colour' must have a default$"):
        registry.register("plum")(plum)
    assert "plum" not in registry


def test_unknown_name_is_answered_with_the_nearest_and_all(registry: Registry) -> None:
    expected = r"^unknown fruit 'peer' \(did you mean 'pear'\?\); known: apple, pear$"
    with pytest.raises(UnknownNameError, match=expected):
        registry["peer"]


def test_unknown_name_far_from_all_gets_no_guess(registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown fruit 'xyz'; known: apple, pear$"):
        registry["xyz"]


@pytest.mark.parametrize(
    ("name", "options"), [("pear", {"ripe": True, "colour": "green"}), ("apple", {"sort": "cox"})]
)
def test_options_are_the_keyword_only_parameters(
    registry: Registry, name: str, options: dict[str, object]
) -> None:
    found = registry.options(name)
    assert {key: parameter.default for key, parameter in found.items()} == options


def test_known_options_pass(registry: Registry) -> None:
    registry.check_options("pear", ["colour", "ripe"])
    registry.check_options("pear", [])


@pytest.mark.parametrize("option", ["colr", "size"])
def test_unknown_options_are_refused(registry: Registry, option: str) -> None:
    expected = rf"^fruit 'pear' has no option '{option}'.*; it takes \['colour', 'ripe'\]$"
    with pytest.raises(UnknownNameError, match=expected):
        registry.check_options("pear", ["ripe", option])


def test_options_of_an_unknown_name_are_refused(registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match="unknown fruit 'plum'"):
        registry.check_options("plum", [])
