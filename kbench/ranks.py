"""Processes that train one cell together, each on a part of every batch.

torchrun starts them; gradients are averaged by torch's `DistributedDataParallel`, over NCCL on
GPUs and gloo on CPUs. What the processes agree on in every step goes over gloo, beside them.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from kbench.errors import ExecutorError, UnsupportedError
from kbench.loaders.share import Share

T = TypeVar("T")
# The other processes wait while the first one evaluates.
TIMEOUT = timedelta(hours=12)


class Ranks:
    """One process that trains alone; what it shares with others is trivial.

    Attributes:
        number: Number of this process, from 0; the first one writes all files.
        size: How many there are.
    """

    number = 0
    size = 1

    @property
    def is_first(self) -> bool:
        """Return whether this process evaluates and writes."""
        return self.number == 0

    @property
    def share(self) -> Share:
        """Return the part of every batch that this process trains on."""
        return Share(self.number, self.size)

    def wrap(self, model: nn.Module, *, sync_batch_norm: bool) -> nn.Module:  # noqa: ARG002 - others' argument
        """Return the network whose backward pass averages gradients over the processes."""
        return model

    def hold(self, model: nn.Module, *, is_last: bool) -> AbstractContextManager[object]:  # noqa: ARG002 - others' arguments
        """Return the context of a backward pass after which gradients are averaged if it is last.

        Args:
            model: What `wrap` gave.
            is_last: Whether it is the last backward pass of an optimiser step.
        """
        return nullcontext()

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return for each flag whether it is set in some process."""
        return list(flags)

    def add(self, values: Sequence[float]) -> list[float]:
        """Return the sum of each number over the processes."""
        return list(values)

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, in their order."""
        return [value]

    def tell(self, value: T) -> T:
        """Return the first process's value."""
        return value


ALONE = Ranks()


class TorchrunRanks(Ranks):
    """The processes that torchrun has started.

    Args:
        device: Type of the devices, `cuda` or `cpu`.
    """

    def __init__(self, device: str) -> None:
        if device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT)
        self.number, self.size = dist.get_rank(), dist.get_world_size()
        control = dist.new_group(backend="gloo", timeout=TIMEOUT)
        if not isinstance(control, dist.ProcessGroup):
            message = f"process {self.number} of {self.size} belongs to no group"
            raise ExecutorError(message)
        self._control = control

    def wrap(self, model: nn.Module, *, sync_batch_norm: bool) -> nn.Module:
        """Return the network whose backward pass averages gradients over the processes.

        Raises:
            UnsupportedError: If batch normalisation is to see all batches on a CPU, for which
                torch has no such layer.
        """
        device = next(model.parameters()).device
        if sync_batch_norm:
            if device.type == "cpu":
                message = "sync_batch_norm needs GPUs: torch's SyncBatchNorm has no CPU form"
                raise UnsupportedError(message)
            convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
            model = convert(model)
        places = [device] if device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=places)

    def hold(self, model: nn.Module, *, is_last: bool) -> AbstractContextManager[object]:
        """Return the context of a backward pass; gradients are averaged after the last one."""
        if is_last or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        return model.no_sync()

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return for each flag whether it is set in some process."""
        values = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(values, dist.ReduceOp.MAX, group=self._control)
        return [bool(value) for value in values]

    def add(self, values: Sequence[float]) -> list[float]:
        """Return the sum of each number over the processes."""
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self._control)
        return [float(value) for value in total]

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, in their order."""
        found: list[T] = [value] * self.size
        dist.all_gather_object(found, value, group=self._control)
        return found

    def tell(self, value: T) -> T:
        """Return the first process's value."""
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._control)
        return box[0]
