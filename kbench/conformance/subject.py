"""The operator under test: which class, with which options, and how it is built."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kbench.catalogue import Option, describe
from kbench.conformance.cases import Case
from kbench.errors import SuiteError, UnknownNameError, UnsupportedError, guess, unknown_option
from kbench.extensions import import_module, load_installed
from kbench.file_model import Scalar, as_number
from kbench.operators import finish_operators
from kbench.operators.geometry import PLAIN_MODULES
from kbench.registry import OPERATORS, OPERATORS_1D
from kbench.yaml_file import StrictLoader


class RefusedError(Exception):
    """The operator says that it cannot exist with these arguments."""


@dataclass(frozen=True)
class Subject:
    """An operator under test.

    Attributes:
        name: As the user gave it.
        factory: Class or function with the arguments of `torch.nn.ConvNd`.
        dims: Number of spatial axes.
        options: Operator options.
    """

    name: str
    factory: Callable[..., nn.Module]
    dims: int
    options: Mapping[str, Scalar]

    @property
    def title(self) -> str:
        """Return name, options and number of axes."""
        options = [f"{key}={value!r}" for key, value in self.options.items()]
        return f"{' '.join([self.name, *options])}, {self.dims}-D"

    @property
    def option_names(self) -> frozenset[str]:
        """Return the options that the operator takes."""
        return frozenset(describe(self.name, self.factory).options)

    def construct(self, case: Case, seed: int = 0) -> nn.Module:
        """Return a module as an architecture makes it, before `after_init`.

        Raises:
            RefusedError: If the operator cannot exist with these arguments.
        """
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                return self.factory(*case.sizes, **{**self.options, **case.arguments})
        except UnsupportedError as error:
            raise RefusedError(str(error)) from error

    def build(self, case: Case, seed: int = 0) -> nn.Module:
        """Return a module that is ready to use.

        Raises:
            RefusedError: If the operator cannot exist with these arguments.
        """
        module = self.construct(case, seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            finish_operators([module])
        return module


def find_subjects(name: str, settings: Sequence[str], dims: int | None) -> list[Subject]:
    """Return the operator in every number of axes that it has.

    Args:
        name: A registered name, or `my.module:Class`. Its attribute `dims` or its base, a
            convolution of torch, says how many axes a class has; any other has what is asked for.
        settings: Options as `KEY=VALUE`, the value written as in a suite.
        dims: 1 or 2, or None for all that there are; for a class that does not say, 2.

    Raises:
        UnknownNameError: If there is no such operator or option.
        UnsupportedError: If the operator has no form for these dimensions.
        SuiteError: If an option has a wrong value.
    """
    factories = _import_class(name, dims or 2) if ":" in name else _registered(name)
    asked = (dims,) if dims else (1, 2)
    chosen = {key: factory for key, factory in factories.items() if key in asked}
    if not chosen:
        message = f"operator {name!r} has no {' or '.join(f'{d}-D' for d in asked)} form"
        raise UnsupportedError(message)
    return [
        Subject(name, factory, key, parse_options(name, factory, settings))
        for key, factory in chosen.items()
    ]


def _registered(name: str) -> dict[int, Callable[..., nn.Module]]:
    load_installed(["kbench.operators"])
    if name not in OPERATORS and name in OPERATORS_1D:
        return {1: OPERATORS_1D[name]}
    found = {2: OPERATORS[name]}
    return found | ({1: OPERATORS_1D[name]} if name in OPERATORS_1D else {})


def _import_class(name: str, unsaid: int) -> dict[int, Callable[..., nn.Module]]:
    module_name, _, attribute = name.partition(":")
    module = import_module(module_name)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        message = f"module {module_name!r} has no operator {attribute!r}"
        raise UnknownNameError(message + guess(attribute, vars(module)))
    bases = factory.__mro__ if isinstance(factory, type) else ()
    inherited = next((dims for dims, base in PLAIN_MODULES.items() if base in bases), unsaid)
    return {getattr(factory, "dims", inherited): factory}


def parse_options(
    name: str, factory: Callable[..., object], settings: Sequence[str], kind: str = "operator"
) -> dict[str, Scalar]:
    """Return options by name, each value as its annotation allows.

    Args:
        name: Name of the factory, for messages.
        factory: What takes the options.
        settings: `KEY=VALUE`, the value written as in a suite.
        kind: What the factory makes, for messages.

    Raises:
        UnknownNameError: If the factory has no such option.
        SuiteError: If a text is not `KEY=VALUE`, or a value is not allowed.
    """
    known = describe(name, factory).options
    options = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise SuiteError([f"--option {setting!r} must be KEY=VALUE"])
        if key not in known:
            raise UnknownNameError(unknown_option(kind, name, key, known))
        options[key] = _parse_value(setting, known[key], text)
    return options


def _parse_value(setting: str, option: Option, text: str) -> Scalar:
    loader = StrictLoader(text)
    value: Any = as_number(loader.get_single_data())
    problems = [problem for _, problem in loader.findings]
    if not problems:
        try:
            return option.accept(value)
        except ValueError as error:
            problems = [str(error)]
    raise SuiteError([f"--option {setting!r}: {problem}" for problem in problems])
