"""Options as fields of a dataclass, for operators that have more than a signature should carry."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar

Class = TypeVar("Class", bound=type)


def takes(options: type) -> Callable[[Class], Class]:
    """Return a decorator that shows a dataclass's fields as the class's keyword-only parameters.

    The class's `__init__` ends in `**options` and hands them to the dataclass. Registries read the
    signature, so nothing is declared twice.
    """

    def enter(kind: Class) -> Class:
        signature = inspect.signature(kind.__init__)  # type: ignore[misc] # the class, not an instance
        torch_arguments = list(signature.parameters.values())[1:-1]
        keywords = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.type,
            )
            for field in fields(options)
        ]
        shown = signature.replace(parameters=[*torch_arguments, *keywords])
        kind.__signature__ = shown  # type: ignore[attr-defined] # read by inspect
        return kind

    return enter
