"""What a cell needs of a cluster, as suites, site files and command lines say it."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kbench.file_model import Duration, Items, Model

OWN_OPTIONS = {"array", "chdir", "job-name", "open-mode", "output", "requeue", "signal", "wrap"}
SbatchOptions = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], bool | int | str]


def fit_for_a_line(options: SbatchOptions) -> SbatchOptions:
    """Return options of sbatch that an array script can have, a line each."""
    own = sorted(OWN_OPTIONS & set(options))
    if own:
        message = f"sbatch: {', '.join(own)} cannot be given: kbench sets it itself"
        raise ValueError(message)
    for key, value in options.items():
        if isinstance(value, str) and not value.isprintable():
            message = f"sbatch: {key}: expected one line of text, got {value!r}"
            raise ValueError(message)
    return options


Count = Annotated[int, Field(ge=1)]
CountFrom0 = Annotated[int, Field(ge=0)]
Word = Annotated[str, Field(pattern=r"^\S+$")]
Line = Annotated[str, Field(pattern=r"^[^\r\n]+$")]
Memory = Annotated[str, Field(pattern=r"^[1-9]\d*[KMGT]?$")]


class ResourcesSpec(Model):
    """What a cell needs of a cluster, and how many run there; changes no result.

    A key that is not given is left to the next source: command line, scale, suite, site file.

    Attributes:
        partition: Partition.
        account: Account that pays.
        qos: Quality of service.
        constraint: Features that a node must have.
        time: Longest run of a task before its cell is saved and the task requeued.
        grace: How long before that a cell is told to save.
        devices: GPUs of a cell, over all its nodes; 0 runs it on the CPU.
        nodes: Nodes of a cell.
        cpus: Cores of a cell on each node; also its threads.
        memory: Memory of a cell on each node, such as 16G.
        max_parallel: Tasks that run at a time, over all arrays of a submission.
        max_submit: Tasks that the cluster lets one person have in the queue.
        cells_per_task: Cells that one task runs after each other.
        requeues: How often a task may go on after its time was over.
        sbatch: Other options of sbatch, without dashes; `true` for one without a value.
        setup: Shell lines before the command; those of all sources, the site's first.
        container: Command line that the task's command is put behind.
    """

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    time: Duration | None = None
    grace: Duration | None = None
    devices: CountFrom0 | None = None
    nodes: Count | None = None
    cpus: Count | None = None
    memory: Memory | None = None
    max_parallel: Count | None = None
    max_submit: Count | None = None
    cells_per_task: Count | None = None
    requeues: CountFrom0 | None = None
    sbatch: Annotated[SbatchOptions, AfterValidator(fit_for_a_line)] = Field(default_factory=dict)
    setup: Items[Line] = ()
    container: Line | None = None
