"""Array scripts, compared with golden files and run by a shell."""

import os
import subprocess
from pathlib import Path

import pytest

from kbench.executors.slurm_chunks import Chunk
from kbench.executors.slurm_resources import Resources
from kbench.executors.slurm_script import Surroundings, exported_variables, render_script

GOLDEN = Path(__file__).parents[1] / "golden"
WHERE = Surroundings(
    folder=Path("/share/my results/slurm/20300101-000000-abcdef"),
    results=Path("/share/my results"),
    working_folder=Path("/home/me/kbench"),
    options=("--checkpoint-every=30",),
    exports={"KBENCH_DATA": "/share/the data"},
)
SMALL = Chunk(0, 0, 8, Resources(), throttle=2)
LARGE = Chunk(
    2,
    2000,
    25,
    Resources(
        partition="gpu",
        account="vision",
        qos="high",
        constraint="a100&ib",
        time=7200,
        grace=300,
        devices=8,
        nodes=2,
        cpus=16,
        memory="64G",
        cells_per_task=4,
        requeues=3,
        sbatch=(("exclusive", True), ("nice", 0), ("qos", "low"), ("mail-type", False)),
        setup=("module load cuda/12", "source env.sh"),
        container="apptainer exec --nv kbench.sif",
        time_limit=600,
    ),
)


@pytest.mark.parametrize(
    ("name", "chunk"),
    [("slurm_small.sh", SMALL), ("slurm_large.sh", LARGE)],
    ids=["small", "large"],
)
def test_script_is_the_golden_one(name, chunk) -> None:
    assert render_script(chunk, WHERE) == (GOLDEN / name).read_text()


def run_script(tmp_path: Path, program: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the script of eleven cells, four a task, with a stand-in for `kbench`."""
    folder = tmp_path / "submission"
    (folder / "timeouts").mkdir(parents=True, exist_ok=True)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir(exist_ok=True)
    programs = {"kbench": program, "scontrol": 'echo "asked: scontrol $*"; exit 1'}
    for name, text in programs.items():
        (bin_folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (bin_folder / name).chmod(0o755)
    where = Surroundings(folder, tmp_path, tmp_path, str(bin_folder / "kbench"))
    script = folder / "array-0.sh"
    script.write_text(
        render_script(Chunk(0, 100, 11, Resources(cells_per_task=4, requeues=1)), where)
    )
    given = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "12"}
    given |= {"SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_ON_NODE": "3"} | environment
    return subprocess.run(
        ["/bin/bash", str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=given,
        timeout=60,
    )


def test_task_runs_its_own_lines_and_no_others(tmp_path) -> None:
    done = run_script(tmp_path, 'echo "$@"; exit 1')
    assert done.returncode == 1
    assert " 108 --count 3 --remaining " in done.stdout
    assert done.stdout.rstrip().endswith("--threads=3")
    assert " 104 --count 4 " in run_script(tmp_path, 'echo "$@"', SLURM_ARRAY_TASK_ID="1").stdout


SAVING = 'trap "exit 75" USR1; kill -{} $PPID; while :; do sleep 0.05; done'


def test_signal_before_the_time_is_over_saves_and_requeues_up_to_the_limit(tmp_path) -> None:
    first = run_script(tmp_path, SAVING.format("USR1"))
    assert first.returncode == 75
    assert "time is over for the 1. time: requeued to go on" in first.stdout
    assert "asked: scontrol requeue 12_2" in first.stdout
    second = run_script(tmp_path, SAVING.format("USR1"))
    assert second.returncode == 75
    assert "1 requeues are allowed: not requeued" in second.stdout
    assert "asked" not in second.stdout


def test_cancelled_task_saves_and_is_not_requeued(tmp_path) -> None:
    done = run_script(tmp_path, SAVING.format("TERM"))
    assert (done.returncode, done.stdout) == (75, "")


def test_status_of_the_command_is_that_of_the_task(tmp_path) -> None:
    assert run_script(tmp_path, "kill -9 $$").returncode == 137
    finished = 'trap "exit 0" USR1; kill -USR1 $PPID; while :; do sleep 0.05; done'
    assert run_script(tmp_path, finished).returncode == 0


def test_exported_paths_are_absolute(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KBENCH_DATA", "data")
    monkeypatch.setenv("PYTHONPATH", f"mine{os.pathsep}/theirs")
    assert exported_variables() == {
        "KBENCH_DATA": str(tmp_path / "data"),
        "PYTHONPATH": f"{tmp_path / 'mine'}{os.pathsep}/theirs",
    }
