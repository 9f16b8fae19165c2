"""The array script of a chunk, as a pure function of what it is to do."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from kbench.executors.slurm_chunks import Chunk
from kbench.executors.slurm_submission import job_name

TEMPLATE = "slurm_array.sh.j2"
EXPORTED = ("KBENCH_DATA", "PYTHONPATH")


@dataclass(frozen=True)
class Surroundings:
    """Where the scripts of a submission run, as absolute paths.

    Attributes:
        folder: Folder of the submission.
        results: Folder of all results.
        working_folder: Where the command is started.
        program: The command `kbench`.
        options: Further options of `kbench cell`.
        exports: Environment variables to set.
    """

    folder: Path
    results: Path
    working_folder: Path
    program: str = "kbench"
    options: tuple[str, ...] = ()
    exports: Mapping[str, str] | None = None


def render_script(chunk: Chunk, where: Surroundings) -> str:
    """Return the text of a chunk's script."""
    resources = chunk.resources
    return _template().render(
        chunk=chunk,
        resources=resources,
        per_task=resources.cells_per_task,
        end=chunk.offset + chunk.cells,
        options=[format_option(*item) for item in _options(chunk, where).items()],
        folder=shlex.quote(str(where.folder)),
        path=shlex.quote(str(script_path(where.folder, chunk))),
        exports=[f"{key}={shlex.quote(value)}" for key, value in (where.exports or {}).items()],
        command=_command(chunk, where),
    )


def script_path(folder: Path, chunk: Chunk) -> Path:
    """Return where a chunk's script lies in the folder of its submission."""
    return folder / f"array-{chunk.number}.sh"


def format_option(key: str, value: bool | int | str) -> str:
    """Return an option of sbatch as a script has it; sbatch reads double quotes there."""
    text = f'"{value}"' if re.search(r"[\s#]", str(value)) else value
    return f"--{key}" if value is True else f"--{key}={text}"


def _options(chunk: Chunk, where: Surroundings) -> dict[str, bool | int | str]:
    """Return the options of sbatch that a chunk has; its own cannot be replaced."""
    throttle = "" if chunk.throttle is None else f"%{chunk.throttle}"
    own: dict[str, bool | int | str] = {
        "job-name": job_name(where.folder, chunk.number),
        "array": f"0-{chunk.tasks - 1}{throttle}",
        "chdir": str(where.working_folder),
        "output": str(where.folder / "logs" / f"{chunk.number}-%a.log"),
        "open-mode": "append",
        "requeue": True,
        "signal": f"B:USR1@{chunk.resources.grace}",
    }
    asked = chunk.resources.sbatch_options()
    return own | {
        key: value for key, value in asked.items() if value is not None and value is not False
    }


def _command(chunk: Chunk, where: Surroundings) -> str:
    """Return the command line of a task."""
    words = [where.program, "cell", str(where.folder / "manifest.jsonl")]
    options = ["--remaining", "--results", str(where.results), *where.options]
    if chunk.resources.devices:
        options.append("--device=cuda")
    if chunk.resources.devices > 1:
        per_node = chunk.resources.devices // chunk.resources.nodes
        options += [f"--devices={per_node}", f"--nodes={chunk.resources.nodes}"]
    if chunk.resources.time_limit is not None:
        options.append(f"--time-limit={chunk.resources.time_limit}s")
    quoted = [*map(shlex.quote, words), '"$first" --count "$count"', *map(shlex.quote, options)]
    if not any(option.startswith("--threads=") for option in options):
        quoted.append('--threads="${SLURM_CPUS_ON_NODE:-1}"')
    return " ".join([*filter(None, [chunk.resources.container]), *quoted])


def find_program() -> str:
    """Return the command `kbench` of this installation."""
    beside = Path(sys.executable).with_name("kbench")
    return str(beside) if beside.is_file() else shutil.which("kbench") or "kbench"


def exported_variables() -> dict[str, str]:
    """Return what a task needs of this environment, with absolute paths."""
    given = {name: os.environ[name] for name in EXPORTED if os.environ.get(name)}
    return {
        name: os.pathsep.join(str(Path(part).absolute()) for part in value.split(os.pathsep))
        for name, value in given.items()
    }


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE)
