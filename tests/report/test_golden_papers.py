"""Tables in the papers' own shapes, on suites of small networks with made-up results."""

import json
import shutil
from pathlib import Path

import pytest

from kbench.metrics import find_metric
from kbench.record import Measurement, record_path
from kbench.report.build import build_tables
from kbench.report.latex import render_latex
from kbench.report.markdown import render_markdown
from kbench.report.outcome import find_epochs, read_outcomes
from kbench.report.published_files import find_published
from kbench.suite import load_suite

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "golden" / "papers"
PAPERS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
# First cell, step from cell to cell, step from seed to seed: near the published values of some.
RESULTS = {
    "top1": (91.0, 0.2, 0.3),
    "top5": (61.4, 5.0, 0.0),
    "top1_best": (98.6, 0.2, 0.1),
    "source_top1": (84.0, 0.3, 0.1),
    "ootb_top1": (58.0, 2.5, 0.3),
    "num_params": (107_600.0, 21_000.0, 0.0),
    "s_per_epoch": (10.0, 5.0, 0.0),
    "pca_ratio.layer1.v0": (0.64, 0.01, 0.0),
    "pca_ratio.layer1.v1": (0.17, 0.01, 0.0),
    "pca_ratio.layer1.v2": (0.2, 0.0, 0.0),
    "effective_kernel_size": (9.0, 1.0, 0.0),
}
HISTORY = [
    {"train_loss": 1.5, "loss": 1.6, "train_top1": 48.0, "top1": 50.0},
    {"train_loss": 1.1, "loss": 1.2, "train_top1": 62.0, "top1": 64.0},
]
NOT_RUN, DIVERGED = 1, 2


@pytest.fixture
def tables(write_suite, finish, tmp_path):
    """Return a function that gives the tables of a paper's small suite."""

    def build(paper):
        folder = write_suite().parent
        (folder / "published").mkdir()
        shutil.copy(ROOT / "suites" / "published" / f"{paper}.yaml", folder / "published")
        suite = load_suite(shutil.copy(FOLDER / f"{paper}.yaml", folder))
        for index, cell in enumerate(suite.cells()):
            if index == NOT_RUN:
                continue
            metrics = {}
            for name, (first, step, by_seed) in RESULTS.items():
                metric = find_metric(name)
                value = first + step * (index // len(suite.file.seeds)) + by_seed * cell.seed
                metrics[name] = Measurement(value, metric.unit, metric.direction)
            if index == DIVERGED:
                finish(cell, status="diverged", reason="loss is nan in epoch 1", metrics={})
            else:
                finish(cell, metrics=metrics)
            lines = "".join(f"{json.dumps(line)}\n" for line in HISTORY)
            record_path(tmp_path / "results", cell).with_name("history.jsonl").write_text(lines)
        epochs = find_epochs(suite.file)
        outcomes = read_outcomes(suite.cells(), tmp_path / "results", epochs)
        return build_tables(suite.file, outcomes, find_published(suite))

    return build


@pytest.mark.parametrize("paper", PAPERS)
def test_tables_have_the_shape_of_the_papers_own(tables, paper):
    built = tables(paper)
    assert render_markdown(built) == (FOLDER / f"{paper}.md").read_text()
    assert render_latex(built) == (FOLDER / f"{paper}.tex").read_text()
