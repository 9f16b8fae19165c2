"""Names of operators, architectures, datasets and evaluations.

A registry maps a name to a factory. The factory's keyword-only parameters are its options: the
signature is the schema, nothing is declared twice.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from kbench.errors import UnknownNameError, unknown, unknown_option

Factory = TypeVar("Factory", bound=Callable[..., Any])


class Registry(Mapping[str, Callable[..., Any]]):
    """Read-only mapping from a name to its factory.

    Args:
        kind: What the entries are, in the singular, for messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Callable[..., Any]] = {}

    def register(self, name: str) -> Callable[[Factory], Factory]:
        """Return a decorator that enters a factory under `name`.

        Raises:
            ValueError: If the name is taken, or an option has no default.
        """

        def enter(factory: Factory) -> Factory:
            if name in self._entries:
                message = f"{self.kind} {name!r} is registered twice"
                raise ValueError(message)
            for option, parameter in _options(factory).items():
                if parameter.default is parameter.empty:
                    message = f"{self.kind} {name!r}: option {option!r} must have a default"
                    raise ValueError(message)
            self._entries[name] = factory
            return factory

        return enter

    def __getitem__(self, name: str) -> Callable[..., Any]:
        if name not in self._entries:
            raise UnknownNameError(unknown(self.kind, name, self._entries))
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """Return the keyword-only parameters of a factory, by name."""
        return _options(self[name])

    def check_options(self, name: str, options: Iterable[str]) -> None:
        """Refuse options that the factory does not take.

        Raises:
            UnknownNameError: Names the option, the nearest one and all that are taken.
        """
        known = list(self.options(name))
        for option in options:
            if option not in known:
                raise UnknownNameError(unknown_option(self.kind, name, option, known))


def _options(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(factory).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}


OPERATORS = Registry("operator")
OPERATORS_1D = Registry("1-D operator")
ARCHITECTURES = Registry("architecture")
DATASETS = Registry("dataset")
EVALUATIONS = Registry("evaluation")
