"""Code of others: imported from the current folder, and told of in a line when it fails."""

import sys
from pathlib import Path

import pytest
import torch

from kbench.errors import ExtensionError
from kbench.extensions import describe_fault, import_module, load_installed, see_working_folder


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a module of the current folder and returns its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def make(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    return make


def test_modules_of_the_current_folder_are_found_behind_all_others(write) -> None:
    write("own_smear", "place = 'here'")
    write("json", "place = 'here'")
    sys.modules.pop("json")
    with pytest.raises(ExtensionError, match="No module named 'own_smear'; it is looked for in"):
        import_module("own_smear")
    see_working_folder()
    see_working_folder()
    assert sys.path.count("") == 1
    assert import_module("own_smear").place == "here"
    assert not hasattr(import_module("json"), "place")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(:", r"SyntaxError: invalid syntax \(own\.py, line 1\)"),
        ("\nundefined", r"NameError: name 'undefined' is not defined \(.*own\.py, line 2\)"),
        ("raise OSError('no licence')", r"OSError: no licence \(.*own\.py, line 1\)"),
        ("raise KeyError", r"KeyError \(.*own\.py, line 1\)"),
        ("import no_such", r"No module named 'no_such' \(.*own\.py, line 1\)$"),
        ("from json import Nothing", r"cannot import name 'Nothing' from 'json'"),
        ("raise ValueError('a\\nb')", r" a \(.*own\.py, line 1\)"),
    ],
    ids=["syntax", "name", "type-and-text", "type-alone", "its-import", "its-name", "first-line"],
)
def test_a_module_that_fails_is_told_with_its_place(write, text, expected) -> None:
    write("own", text)
    see_working_folder()
    with pytest.raises(ExtensionError, match=rf"module 'own' cannot be imported:.*{expected}"):
        import_module("own")


def test_an_interruption_is_no_fault(write) -> None:
    write("own", "raise KeyboardInterrupt")
    see_working_folder()
    with pytest.raises(KeyboardInterrupt):
        import_module("own")


def announce(folder: Path, value: str) -> None:
    """Write the files that an installer writes for a package with an entry point."""
    package = folder / "own_plugin-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugin\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[kbench.test]\nplugin = {value}\n")


def test_entry_points_are_loaded(write, tmp_path, monkeypatch) -> None:
    write("own", "class Smear: pass")
    announce(tmp_path, "own:Smear")
    monkeypatch.syspath_prepend(tmp_path)
    load_installed(["kbench.test"])
    assert "own" in sys.modules


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("own:Blur", "AttributeError: module 'own' has no attribute 'Blur'"),
        ("no_such", "No module named 'no_such'"),
    ],
    ids=["attribute", "module"],
)
def test_an_entry_point_that_fails_is_named(write, tmp_path, monkeypatch, value, expected) -> None:
    write("own", "class Smear: pass")
    announce(tmp_path, value)
    monkeypatch.syspath_prepend(tmp_path)
    message = f"entry point plugin = {value} of kbench.test cannot be loaded: {expected}"
    with pytest.raises(ExtensionError, match=message):
        load_installed(["kbench.test"])


def test_the_place_is_the_last_one_outside_of_kbench_and_torch() -> None:
    with pytest.raises(RuntimeError, match="channels") as caught:
        torch.nn.Conv2d(1, 1, 3)(torch.zeros(1, 2, 5, 5))
    assert f"({__file__}, line " in describe_fault(caught.value)
