from pathlib import Path

import pytest

from kbench.errors import SuiteError
from kbench.recipe import Augmentation
from kbench.recipe_file import RecipeReader, RecipeUse, search_folders
from kbench.suite_file import RecipeSpec
from kbench.yaml_file import Document

FOLDER = Path(__file__).parents[1] / "suites" / "recipes"


@pytest.fixture
def suites(tmp_path) -> Path:
    folder = tmp_path / "suites"
    (folder / "recipes").mkdir(parents=True)
    return folder


@pytest.fixture
def resolve(suites):
    """Return a function that lays overrides, each of its own line of one suite, over each other."""

    def lay(*specs: RecipeSpec):
        lines: dict = {(): 1}
        for number, spec in enumerate(specs, 1):
            lines |= {(number,): 10 * number, (number, "name"): 10 * number}
            lines |= {
                (number, key): 10 * number + i for i, key in enumerate(spec.overrides, start=1)
            }
            for i, key in enumerate(spec.overrides, start=1):
                value = spec.overrides[key]
                inner = value if isinstance(value, dict) else ()
                lines |= {(number, key, name): 10 * number + i for name in inner}
        document = Document(suites / "demo.yaml", {}, lines, {})
        uses = [RecipeUse(spec, document, (number,)) for number, spec in enumerate(specs, 1)]
        return RecipeReader(suites / "demo.yaml").resolve(uses)

    return lay


def write(suites: Path, text: str, name: str = "plain") -> Path:
    path = suites / "recipes" / f"{name}.yaml"
    path.write_text(text)
    return path


def refusal(resolve, *specs: RecipeSpec) -> list[str]:
    with pytest.raises(SuiteError, match="recipe") as caught:
        resolve(*specs)
    return [finding.rpartition("/")[2] for finding in caught.value.findings]


PLAIN = "summary: short\nepochs: 4\nbatch_size: 8\nlr: 0.1\n"


def test_a_name_is_a_file_and_its_summary_no_field(suites, resolve) -> None:
    write(suites, PLAIN)
    label, recipe = resolve(RecipeSpec(name="plain"))
    assert (label, recipe.epochs, recipe.batch_size, recipe.lr) == ("plain", 4, 8, 0.1)


def test_later_overrides_win(suites, resolve) -> None:
    write(suites, PLAIN)
    label, recipe = resolve(
        RecipeSpec(name="plain", overrides={"lr": 0.2, "epochs": 5}),
        RecipeSpec(overrides={"lr": 0.3, "momentum": 0.5}),
        RecipeSpec(overrides={"momentum": 0.6}),
    )
    assert label == "plain"
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.momentum) == (5, 8, 0.3, 0.6)


def test_augmentation_is_merged_key_by_key(suites, resolve) -> None:
    write(suites, PLAIN + "augmentation: {crop_padding: 4}\n")
    _, recipe = resolve(
        RecipeSpec(name="plain"),
        RecipeSpec(overrides={"augmentation": {"flip": True}}),
        RecipeSpec(overrides={"augmentation": {"crop_padding": 2}}),
    )
    assert recipe.augmentation == Augmentation(crop_padding=2, flip=True)


def test_lists_are_replaced(suites, resolve) -> None:
    write(suites, PLAIN + "schedule: step\nmilestones: [1, 2]\n")
    _, recipe = resolve(RecipeSpec(name="plain"), RecipeSpec(overrides={"milestones": [3]}))
    assert recipe.milestones == (3,)


def test_a_name_starts_afresh(suites, resolve) -> None:
    write(suites, PLAIN)
    write(suites, PLAIN.replace("0.1", "0.9"), "other")
    label, recipe = resolve(
        RecipeSpec(name="plain", overrides={"momentum": 0.5}), RecipeSpec(name="other")
    )
    assert (label, recipe.lr, recipe.momentum) == ("other", 0.9, 0.9)


def test_a_recipe_needs_no_file(resolve) -> None:
    label, recipe = resolve(RecipeSpec(overrides={"epochs": 1, "batch_size": 2, "lr": 1}))
    assert (label, recipe.epochs) == ("", 1)


def test_the_nearest_folder_wins(suites) -> None:
    write(suites, PLAIN)
    write(suites, PLAIN, "far")
    (suites / "lc" / "recipes").mkdir(parents=True)
    near = suites / "lc" / "recipes" / "plain.yaml"
    near.write_text(PLAIN)
    paths = RecipeReader(suites / "lc" / "table.yaml").paths
    assert paths == {"far": suites / "recipes" / "far.yaml", "plain": near}


def test_an_unknown_recipe_is_answered_with_the_nearest(suites, resolve) -> None:
    write(suites, PLAIN)
    assert refusal(resolve, RecipeSpec(name="plane")) == [
        "demo.yaml:10: unknown recipe 'plane' (did you mean 'plain'?); known: plain"
    ]


WRONG_FILES = {
    "unknown-key": (
        PLAIN + "learning_rate: 1\n",
        "plain.yaml:5: recipe: unknown key 'learning_rate'; known: epochs, batch_size, lr",
    ),
    "near-key": (
        PLAIN + "weigth_decay: 1\n",
        "plain.yaml:5: recipe: unknown key 'weigth_decay' (did you mean 'weight_decay'?); known:",
    ),
    "type": (
        PLAIN + "momentum: '0.9'\n",
        "plain.yaml:5: recipe: momentum: expected a number, got '0.9'",
    ),
    "range": (PLAIN + "momentum: 1.0\n", "plain.yaml:5: recipe: momentum: expected less than 1"),
    "infinity": (
        PLAIN + "clip_norm: 1e400\n",
        "plain.yaml:5: recipe: clip_norm: expected a finite",
    ),
    "choice": (
        PLAIN + "optimizer: sdg\n",
        "plain.yaml:5: recipe: optimizer: expected 'sgd', 'adam'",
    ),
    "inside": (
        PLAIN + "augmentation:\n  crop_padding: 4\n  flip: 1\n",
        "plain.yaml:7: recipe: flip: expected true or false, got 1",
    ),
    "unknown-inside": (
        PLAIN + "augmentation:\n  flip: true\n  flop: 4\n",
        "plain.yaml:7: recipe: unknown key 'flop' (did you mean 'flip'?); known: ",
    ),
    "item": (
        PLAIN + "schedule: step\nmilestones:\n  - 1\n  - x\n",
        "plain.yaml:8: recipe: milestones: expected an integer, got 'x'",
    ),
    "no-mapping": ("- epochs\n", "plain.yaml:1: a recipe is a mapping of keys to values"),
    "no-yaml": ("epochs: [1\n", "plain.yaml:2: expected ',' or ']'"),
    "missing": ("epochs: 1\nlr: 1\n", "demo.yaml:10: recipe: missing key 'batch_size'"),
    "contradiction": (
        PLAIN + "warmup_epochs: 4\n",
        "demo.yaml:10: recipe: warmup_epochs (=4) must be less than epochs (=4)",
    ),
}


@pytest.mark.parametrize(("text", "finding"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_what_is_wrong_in_a_recipe_file_has_its_line(suites, resolve, text, finding) -> None:
    write(suites, text)
    found = refusal(resolve, RecipeSpec(name="plain"))
    assert len(found) == 1
    assert found[0].startswith(finding)


def test_what_is_wrong_in_an_override_has_the_line_of_the_override(suites, resolve) -> None:
    write(suites, PLAIN + "momentum: 0.5\n")
    specs = [
        RecipeSpec(name="plain", overrides={"lr": -1, "momentum": 2}),
        RecipeSpec(overrides={"augmentation": {"flip": 1}, "momentum": 3}),
        RecipeSpec(),
    ]
    assert refusal(resolve, *specs) == [
        "demo.yaml:11: recipe: lr: expected greater than 0, got -1",
        "demo.yaml:21: recipe: flip: expected true or false, got 1",
        "demo.yaml:22: recipe: momentum: expected less than 1, got 3",
    ]


def test_a_contradiction_is_reported_where_the_last_override_stands(suites, resolve) -> None:
    write(suites, PLAIN + "warmup_epochs: 2\n")
    specs = [RecipeSpec(name="plain"), RecipeSpec(overrides={"epochs": 1}), RecipeSpec()]
    assert refusal(resolve, *specs) == [
        "demo.yaml:20: recipe: warmup_epochs (=2) must be less than epochs (=1)"
    ]


def test_a_wrong_value_that_is_overridden_does_no_harm(suites, resolve) -> None:
    write(suites, PLAIN + "augmentation: {flip: 1}\n")
    override = {"augmentation": {"flip": True}}
    _, recipe = resolve(RecipeSpec(name="plain"), RecipeSpec(overrides=override))
    assert recipe.augmentation.flip is True


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_recipes_of_this_repository_are_right_and_have_a_summary(path) -> None:
    document = Document(FOLDER.parent / "smoke.yaml", {}, {(): 1}, {})
    use = RecipeUse(RecipeSpec(name=path.stem), document, ())
    label, recipe = RecipeReader(FOLDER.parent / "smoke.yaml").resolve([use])
    assert (label, recipe.epochs >= 1) == (path.stem, True)
    assert "\nsummary: " in path.read_text()


def test_recipes_are_found_from_inside_of_the_folder_of_suites(suites, monkeypatch) -> None:
    write(suites, PLAIN)
    (suites / "paper").mkdir()
    monkeypatch.chdir(suites / "paper")
    assert list(RecipeReader(Path("table1.yaml")).paths) == ["plain"]


def test_a_suite_elsewhere_has_the_recipes_of_the_current_folder(
    suites, tmp_path, monkeypatch
) -> None:
    write(suites, PLAIN)
    monkeypatch.chdir(tmp_path)
    assert search_folders(tmp_path / "a/b/c/d/mine.yaml")[-1] == Path("suites")
    assert list(RecipeReader(tmp_path / "a/b/c/d/mine.yaml").paths) == ["plain"]


def test_without_any_recipes_it_is_said_where_they_belong(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = Document(tmp_path / "demo.yaml", {}, {(): 1}, {})
    with pytest.raises(SuiteError, match="no folder 'recipes' beside, above or in 'suites'"):
        RecipeReader(document.path).resolve([RecipeUse(RecipeSpec(name="plain"), document, ())])
