"""Imports go downwards, general code names nothing, and what needs no torch imports none."""

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from kbench.catalogue import KINDS, read_entries
from kbench.cost import find_cost
from kbench.suite import load_suite

PACKAGE = Path(__file__).parents[1] / "kbench"
RANKS = {
    name: rank
    for rank, names in enumerate(
        (
            ("errors",),
            ("registry", "yaml_file"),
            ("cell", "record"),
            ("suite",),
            ("operators", "architectures", "datasets", "loaders"),
            ("train", "optim", "tasks", "evaluations"),
            ("run_cell",),
            ("executors", "report"),
            ("cli",),
        )
    )
    for name in names
}
# These choose what is measured or built, by name; everything else is given its names.
CHOOSING = {"operators", "architectures", "datasets", "conformance", "cli"}
# `imagenet` names statistics of a recipe, not a dataset.
WORDS = {"recipe.py": {"imagenet"}}


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {dotted(path): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def imported(tree: ast.Module) -> set[str]:
    """Return the modules of kbench that a module imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("kbench"):
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & set(TREES)
            found |= modules or {node.module}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & set(TREES)
    return found


GRAPH = {name: imported(tree) - {name} for name, tree in TREES.items()}


@cache
def reach(name: str) -> frozenset[str]:
    """Return everything that a module needs, directly or not."""
    return frozenset(GRAPH[name]).union(*(reach(other) for other in GRAPH[name]))


def part(name: str) -> str:
    """Return the module or package directly inside kbench that a module belongs to."""
    return name.split(".")[1] if "." in name else ""


def test_there_are_no_cycles() -> None:
    assert len(list(TopologicalSorter(GRAPH).static_order())) == len(TREES)


@pytest.mark.parametrize("name", [name for name in TREES if part(name) in RANKS])
def test_imports_go_downwards(name) -> None:
    above = {other for other in reach(name) if RANKS.get(part(other), -1) > RANKS[part(name)]}
    assert above == set()


def strings(tree: ast.Module) -> set[str]:
    """Return the text of a module that is no docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    }


COMMON = {"noise", "layer"}  # words of general code as well
NAMES = {name for kind in KINDS if kind != "evaluation" for name in read_entries(kind)} - COMMON
PAPERS = {path.stem for path in (PACKAGE.parent / "suites" / "published").glob("*.yaml")}
GENERAL = [
    name
    for name in TREES
    if part(name) and part(name) not in CHOOSING and not part(name).startswith("bench")
]


@pytest.mark.parametrize("name", GENERAL)
def test_general_code_names_no_operator_paper_architecture_or_dataset(name) -> None:
    allowed = WORDS.get(f"{part(name)}.py", set())
    pattern = "|".join(map(re.escape, (NAMES | PAPERS) - allowed))
    named = {text for text in strings(TREES[name]) if re.search(rf"(?<!\w)({pattern})(?!\w)", text)}
    assert named == set()


@pytest.mark.parametrize("name", GENERAL)
def test_general_code_imports_no_single_operator_architecture_or_dataset(name) -> None:
    shared = {"geometry", "normalisation", "dataset", "checksum", "prepare", "build", "network"}
    shared |= {"resolution"}
    shared |= {"picture", "lock", "verification", "inventory", "beton", "beton_prepare"}
    shared |= {"fitting", "segmentation"}  # bases of what a task can learn from
    single = {
        other
        for other in GRAPH[name]
        if part(other) in ("operators", "architectures", "datasets")
        and other.count(".") == 2
        and other.rpartition(".")[2] not in shared
    }
    assert single == set()


PROGRAM = """
import json, sys
from kbench.cli import main
status = 0
try:
    main(sys.argv[1:], standalone_mode=False)
except SystemExit as end:
    status = end.code or 0
heavy = {"torch", "torchvision", "scipy", "sklearn", "matplotlib"} & set(sys.modules)
sys.stderr.write("\\n" + json.dumps([status, sorted(heavy)]))
"""


def modules_of(*arguments: str, **environment: str) -> list:
    """Return exit status and heavy modules of a command in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    known = {"PYTHONPATH": str(PACKAGE.parent), **os.environ, **environment}
    result = subprocess.run(command, capture_output=True, text=True, env=known, check=True)
    return json.loads(result.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("schema",), ("list", "operators"), ("list", "metrics")],
    ids=" ".join,
)
def test_what_only_speaks_of_names_imports_no_torch(arguments) -> None:
    assert modules_of(*arguments) == [0, []]


def test_status_imports_no_torch(write_suite, tmp_path) -> None:
    path = write_suite(seeds=[0, 1])
    assert modules_of("status", str(path), "--results", str(tmp_path / "results")) == [0, []]


def test_a_wrong_suite_is_told_without_torch(write_suite, tmp_path) -> None:
    path = write_suite(recipe="gone")
    code = "from kbench.suite import load_suite; load_suite(sys.argv[1])"
    program = (
        f"import sys\ntry:\n    {code}\nexcept ValueError:\n    sys.exit('torch' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(PACKAGE.parent), **os.environ}
    command = [sys.executable, "-c", program, str(path)]
    assert subprocess.run(command, env=environment, check=False, cwd=tmp_path).returncode == 0


def test_a_plan_of_known_networks_imports_no_torch(
    write_suite, tmp_path, own_cache, monkeypatch
) -> None:
    fields = {"num_params": 1, "num_learnable_params": 1, "macs": 1, "train_images": 1}
    monkeypatch.setattr("kbench.cost._measure", lambda _: fields)
    path = write_suite(seeds=[0, 1])
    find_cost(load_suite(path).cells()[0])
    assert own_cache.is_dir()
    arguments = ("plan", "--json", str(path), "--results", str(tmp_path / "results"))
    assert modules_of(*arguments) == [0, []]
