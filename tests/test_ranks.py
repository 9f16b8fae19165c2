"""What processes that train a cell together agree on."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from kbench.errors import UnsupportedError
from kbench.ranks import ALONE, Ranks, TorchrunRanks


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def in_two(function: Callable[[Ranks], Any]) -> list[Any]:
    """Return what a function gives in each of two processes, in their order.

    They are forks of this one, which has torch loaded.
    """
    port, context = free_port(), multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def work(number: int) -> None:
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": number, "WORLD_SIZE": 2}
        os.environ.update({name: str(value) for name, value in where.items()})
        torch.set_num_threads(1)
        answers.put((number, function(TorchrunRanks("cpu"))))
        dist.barrier()
        dist.destroy_process_group()

    processes = [context.Process(target=work, args=(number,)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    return [answer for _, answer in sorted(answers.get() for _ in processes)]


def agree(ranks: Ranks) -> list[Any]:
    number = ranks.number
    return [
        (number, ranks.size, ranks.is_first),
        ranks.share.places(8).tolist(),
        ranks.any([number == 1, False]),
        ranks.add([number + 1.0, 0.5]),
        ranks.gather({"number": number}),
        ranks.tell(f"from {number}"),
    ]


def test_processes_agree_on_flags_sums_and_values() -> None:
    first, second = in_two(agree)
    assert first[0] == (0, 2, True)
    assert second[0] == (1, 2, False)
    assert sorted(first[1] + second[1]) == list(range(8))
    gathered = [{"number": 0}, {"number": 1}]
    assert first[2:] == second[2:] == [[True, False], [3.0, 1.0], gathered, "from 0"]


def test_one_process_agrees_with_itself() -> None:
    assert agree(ALONE) == [
        (0, 1, True),
        list(range(8)),
        [False, False],
        [1.0, 0.5],
        [{"number": 0}],
        "from 0",
    ]
    model = nn.Linear(2, 1)
    assert ALONE.wrap(model, sync_batch_norm=True) is model


def differentiate(ranks: Ranks) -> list[float]:
    """Return the gradient after a backward pass that is held, and after one more that is not."""
    plain = nn.Linear(1, 1, bias=False)
    model = ranks.wrap(plain, sync_batch_norm=False)
    found = []
    for is_last in (False, True):
        with ranks.hold(model, is_last=is_last):
            model(torch.full((1, 1), ranks.number + 1.0)).sum().backward()
        found.append(float(plain.weight.grad))
    return found


def test_gradients_are_averaged_after_the_last_of_several_backward_passes() -> None:
    # Each pass adds its input, 1 or 2; the last one averages what has gathered, 2 and 4.
    assert in_two(differentiate) == [[1.0, 3.0], [2.0, 3.0]]
    assert differentiate(ALONE) == [1.0, 2.0]


def synchronise(ranks: Ranks) -> str:
    try:
        ranks.wrap(nn.BatchNorm1d(2), sync_batch_norm=True)
    except UnsupportedError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("error")
def test_batch_normalisation_over_cpus_is_refused() -> None:
    message = "sync_batch_norm needs GPUs: torch's SyncBatchNorm has no CPU form"
    assert in_two(synchronise) == 2 * [message]
