"""What the registries hold, read from the source of kbench without importing it.

Suites are checked, planned and reported without torch, so names and options of kbench's own
operators, architectures, datasets and evaluations come from `@REGISTRY.register("name")` decorators
and signatures as text. Modules of a user's own are imported; what they register is read from the
registries themselves. Both give the same `Entry`.
"""

import ast
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kbench import registry
from kbench.cell import Scalar, as_text

PACKAGE = Path(__file__).parent
KINDS = {
    "operator": ("operators", "OPERATORS"),
    "architecture": ("architectures", "ARCHITECTURES"),
    "dataset": ("datasets", "DATASETS"),
    "evaluation": ("evaluations", "EVALUATIONS"),
}
TYPES = ("bool", "int", "float", "str")


@dataclass(frozen=True)
class Option:
    """A keyword-only parameter of a factory.

    Attributes:
        types: Names among `bool int float str None` that its annotation allows.
        choices: Values that its `Literal` annotation allows.
        default: Its default.
    """

    types: tuple[str, ...]
    choices: tuple[Scalar, ...]
    default: Any

    @property
    def allowed(self) -> str:
        """Return what a value may be, in words."""
        types = ("null" if name == "None" else name for name in self.types)
        return " | ".join([*types, *map(repr, self.choices)]) or "nothing that a suite can write"

    def is_default(self, value: Scalar) -> bool:
        """Return whether the value is the default, a boolean never being a number."""
        return value == self.default and isinstance(value, bool) == isinstance(self.default, bool)

    def accept(self, value: Scalar) -> Scalar:
        """Return the value, an integer as a float where only floats are meant.

        Raises:
            ValueError: If the annotation does not allow the value.
        """
        if any(value == choice and type(value) is type(choice) for choice in self.choices):
            return value
        if type(value).__name__ in self.types or (value is None and "None" in self.types):
            return value
        if value is None and "none" in self.choices:
            return "none"
        if type(value) is int and "float" in self.types:
            return float(value)
        message = f"expected {self.allowed}, got {as_text(value) if value is None else repr(value)}"
        raise ValueError(message)


@dataclass(frozen=True)
class Entry:
    """A registered name: its summary line, options, version, and what has to be known about it."""

    name: str
    summary: str
    options: dict[str, Option]
    version: int
    note: str = ""
    task: str = ""


def find_entries(kind: str) -> dict[str, Entry]:
    """Return the entries of a kind, sorted by name: kbench's own and those imported so far."""
    own = read_entries(kind)
    live: registry.Registry = getattr(registry, KINDS[kind][1])
    added = {name: describe(name, live[name]) for name in live if name not in own}
    return dict(sorted({**own, **added}.items()))


def find_entry(kind: str, name: str) -> Entry:
    """Return one entry of a kind.

    Raises:
        UnknownNameError: If there is no such name.
    """
    own = read_entries(kind)
    if name in own:
        return own[name]
    live: registry.Registry = getattr(registry, KINDS[kind][1])
    return describe(name, live[name])


def find_clashes() -> list[str]:
    """Return a line for every name of kbench's own that code outside of kbench has registered."""
    instances = [(kind, instance) for kind, (_, instance) in KINDS.items()]
    return [
        f"{live.kind} {name!r} is registered twice: by kbench and by {live[name].__module__}"
        for kind, instance in [*instances, ("operator", "OPERATORS_1D")]
        for live in [getattr(registry, instance)]
        for name in live
        if name in read_entries(kind) and not live[name].__module__.startswith("kbench.")
    ]


def describe(name: str, factory: Callable[..., Any]) -> Entry:
    """Return the entry of a factory that is already imported.

    A parameter without annotation takes whatever a suite can write, and so does one whose
    annotation is a text that names nothing.
    """
    try:
        signature = inspect.signature(factory, eval_str=True)
    except (NameError, SyntaxError, TypeError, AttributeError):
        signature = inspect.signature(factory)
    parameters = signature.parameters.values()
    options = {
        p.name: Option(*_allowed_by_type(p.annotation), p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    }
    version = getattr(factory, "version", 1)
    note, task = (getattr(factory, key, "") or "" for key in ("note", "task"))
    return Entry(name, _summary(inspect.getdoc(factory)), options, version, note, task)


@cache
def read_entries(kind: str) -> dict[str, Entry]:
    """Return kbench's own entries of a kind, from the modules that its package lists."""
    package, instance = KINDS[kind]
    listing = ast.parse((PACKAGE / package / "__init__.py").read_text())
    modules = [
        alias.name
        for node in listing.body
        if isinstance(node, ast.ImportFrom) and node.module == f"kbench.{package}"
        for alias in node.names
    ]
    found: dict[str, Entry] = {}
    for name in modules:
        module = _read_module(f"kbench.{package}.{name}")
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found |= {entry: module.entry(entry, node) for entry in _names(node, instance)}
    return dict(sorted(found.items()))


class _Module:
    """Source of one module, with the classes and type aliases that it defines or imports."""

    def __init__(self, name: str) -> None:
        path = PACKAGE.joinpath(*name.split(".")[1:])
        source = (
            path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        )
        self.tree = ast.parse(source.read_text())

    def find(self, name: str) -> "tuple[_Module, ast.stmt] | None":
        """Return where a name is defined at module level, through imports from kbench."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return self, node
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return self, node
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kbench."):
                imported = {alias.asname or alias.name: alias.name for alias in node.names}
                if name in imported:
                    return _read_module(str(node.module)).find(imported[name])
        return None

    def entry(self, name: str, node: ast.ClassDef | ast.FunctionDef) -> Entry:
        """Return the entry of a decorated class or function."""
        if isinstance(node, ast.FunctionDef):
            options: dict[str, Option] | None = self.keywords(node)
        else:
            options = self.class_options(node)
        summary = _summary(ast.get_docstring(node))
        note, task = (self.text(node, key) for key in ("note", "task"))
        return Entry(name, summary, options or {}, self.version(node), note, task)

    def keywords(self, node: ast.FunctionDef) -> dict[str, Option]:
        """Return the keyword-only parameters of a function."""
        given = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        return {
            argument.arg: Option(*self.allowed(argument.annotation), _literal(default))
            for argument, default in given
        }

    def class_options(self, node: ast.ClassDef) -> dict[str, Option] | None:
        """Return the fields that `@takes` shows, or the keywords of `__init__`; own or a base's."""
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "takes":
                return self.fields(ast.unparse(call.args[0]))
        for child in node.body:
            if isinstance(child, ast.FunctionDef) and child.name == "__init__":
                return self.keywords(child)
        found = (module.class_options(base) for module, base in self.bases(node))
        return next((options for options in found if options is not None), None)

    def fields(self, name: str) -> dict[str, Option]:
        """Return the fields of a dataclass, those of its bases first."""
        module, node = self.find(name) or (self, None)
        if not isinstance(node, ast.ClassDef):
            return {}
        inherited = [base.fields(kind.name) for base, kind in module.bases(node)]
        options = {key: option for fields in inherited for key, option in fields.items()}
        for child in node.body:
            if isinstance(child, ast.AnnAssign):
                allowed = module.allowed(child.annotation)
                options[ast.unparse(child.target)] = Option(*allowed, _literal(child.value))
        return options

    def bases(self, node: ast.ClassDef) -> "Iterator[tuple[_Module, ast.ClassDef]]":
        """Yield the bases of a class that kbench defines."""
        for base in node.bases:
            found = self.find(ast.unparse(base).split("[")[0])
            if found is not None and isinstance(found[1], ast.ClassDef):
                yield found[0], found[1]

    def version(self, node: ast.ClassDef | ast.FunctionDef) -> int:
        """Return the class attribute `version`, own or of a base; 1 without one."""
        if isinstance(node, ast.FunctionDef):
            return 1
        for child in node.body:
            if isinstance(child, ast.AnnAssign) and ast.unparse(child.target) == "version":
                return int(_literal(child.value))
        return max((module.version(base) for module, base in self.bases(node)), default=1)

    def text(self, node: ast.ClassDef | ast.FunctionDef, name: str) -> str:
        """Return a class attribute, own or inherited; empty without one."""
        if isinstance(node, ast.FunctionDef):
            return ""
        for child in (child for base in self.lineage(node) for child in base.body):
            targets = child.targets if isinstance(child, ast.Assign) else []
            if isinstance(child, ast.AnnAssign):
                targets = [child.target]
            if [ast.unparse(target) for target in targets] == [name]:
                return str(_literal(getattr(child, "value", None)) or "")
        return ""

    def lineage(self, node: ast.ClassDef) -> list[ast.ClassDef]:
        """Return a class and its bases in the order in which Python looks for attributes.

        A base that several classes have in common comes after all of them.
        """
        found = [node]
        for module, base in self.bases(node):
            found += module.lineage(base)
        return [base for place, base in enumerate(found) if base not in found[place + 1 :]]

    def allowed(self, annotation: ast.expr | None) -> tuple[tuple[str, ...], tuple[Scalar, ...]]:
        """Return the type names and the literal values that an annotation allows."""
        if isinstance(annotation, ast.BinOp):
            left, right = self.allowed(annotation.left), self.allowed(annotation.right)
            return left[0] + right[0], left[1] + right[1]
        if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
            inner = annotation.slice
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return (), tuple(_literal(value) for value in values)
        if isinstance(annotation, ast.Constant) and annotation.value is None:
            return ("None",), ()
        return self.allowed_by_name(annotation.id) if isinstance(annotation, ast.Name) else ((), ())

    def allowed_by_name(self, name: str) -> tuple[tuple[str, ...], tuple[Scalar, ...]]:
        """Return what a type or an alias of this module allows."""
        if name in TYPES:
            return (name,), ()
        module, node = self.find(name) or (self, None)
        return module.allowed(node.value) if isinstance(node, ast.Assign) else ((), ())


@cache
def _read_module(name: str) -> _Module:
    return _Module(name)


def _names(node: ast.ClassDef | ast.FunctionDef, instance: str) -> list[str]:
    calls = [call for call in node.decorator_list if isinstance(call, ast.Call)]
    return [
        str(_literal(call.args[0]))
        for call in calls
        if ast.unparse(call.func) == f"{instance}.register"
    ]


def _literal(node: ast.expr | None) -> Any:  # noqa: ANN401 - the value of a default
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _literal(node.left) / _literal(node.right)
    return None if node is None else ast.literal_eval(node)


def _summary(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0]


def _allowed_by_type(annotation: Any) -> tuple[tuple[str, ...], tuple[Scalar, ...]]:  # noqa: ANN401
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return (*TYPES, "None"), ()
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return (), arguments
    if origin in (typing.Union, types.UnionType):
        parts = [_allowed_by_type(argument) for argument in arguments]
        return sum((p[0] for p in parts), ()), sum((p[1] for p in parts), ())
    if annotation in (None, types.NoneType):
        return ("None",), ()
    name = getattr(annotation, "__name__", "")
    return ((name,), ()) if name in TYPES else ((), ())
