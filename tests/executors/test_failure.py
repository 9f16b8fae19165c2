"""What the exit of a process says."""

from pathlib import Path

import pytest

from kbench.executors.failure import count_oom_kills, explain_exit, read_tail

TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    g()"]


@pytest.mark.parametrize(
    ("exit_code", "tail", "oom_kills", "expected"),
    [
        (-11, [], 0, ("failed", "killed by SIGSEGV")),
        (-9, ["last"], 0, ("failed", "killed by SIGKILL")),
        (-9, ["last"], 1, ("oom", "killed by the kernel: out of memory")),
        (-6, ["last"], 1, ("failed", "killed by SIGABRT")),
        (-40, [], 0, ("failed", "killed by signal 40")),
        (0, ["last"], 0, ("failed", "ended without a result, exit status 0")),
        (1, [], 0, ("failed", "no output")),
        (1, ["first", "last", "  "], 0, ("failed", "last")),
        (1, [*TRACEBACK, "ValueError: bad"], 0, ("failed", "ValueError: bad")),
        (1, [*TRACEBACK, "ValueError: bad", "second"], 0, ("failed", "ValueError: bad")),
        (1, [*TRACEBACK, "A: a", *TRACEBACK, "B: b", "more"], 0, ("failed", "B: b")),
        (1, [*TRACEBACK, "MemoryError"], 0, ("oom", "MemoryError")),
        (
            1,
            [*TRACEBACK, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"],
            0,
            ("oom", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        ),
        (
            1,
            [*TRACEBACK, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried"],
            0,
            ("oom", "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried"),
        ),
        (1, ["a process was killed by SIGKILL"], 0, ("failed", "a process was killed by SIGKILL")),
        (
            1,
            ["a process was killed by SIGKILL"],
            1,
            ("oom", "a process was killed by SIGKILL; the kernel was out of memory"),
        ),
    ],
    ids=[
        "segfault",
        "killed",
        "killed by the kernel",
        "aborted beside a kill by the kernel",
        "signal without a name",
        "silent end",
        "no output",
        "last line",
        "exception",
        "exception of two lines",
        "chain of exceptions",
        "memory error",
        "cuda memory",
        "cpu memory",
        "one of several processes",
        "one of several processes, by the kernel",
    ],
)
def test_status_and_reason(
    exit_code: int, tail: list[str], oom_kills: int, expected: tuple[str, str]
) -> None:
    assert explain_exit(exit_code, tail, oom_kills) == expected


class TestTail:
    def test_is_the_last_fifty_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        path.write_text("".join(f"{number}\n" for number in range(120)))
        assert read_tail(path) == tuple(str(number) for number in range(70, 120))

    def test_leaves_out_what_earlier_runs_wrote(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        path.write_text("old\nnew\n")
        assert read_tail(path, start=4) == ("new",)

    def test_long_log_is_not_read_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        path.write_bytes(b"x" * 10_000_000 + b"\nlast \xff\n")
        assert read_tail(path)[-1] == "last �"
        assert len(read_tail(path)[0]) < 100_000

    def test_missing_log_has_none(self, tmp_path: Path) -> None:
        assert read_tail(tmp_path / "log.txt") == ()


def test_kernel_counts_its_kills() -> None:
    assert count_oom_kills() >= 0


def test_traceback_of_one_of_several_processes_is_read_like_any_other() -> None:
    lines = ["Traceback (most recent call last):", '  File "a.py", line 1', "ValueError: no"]
    tail = [*(f"[rank1]: {line}" for line in lines), "torchrun ended with status 1"]
    assert explain_exit(1, tail, 0) == ("failed", "ValueError: no")
