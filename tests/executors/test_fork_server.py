"""The process that workers are forks of lives on when its group is told to end."""

import importlib
import signal
import sys
from collections.abc import Iterator

import pytest

NUMBERS = (signal.SIGTERM, signal.SIGUSR1)


@pytest.fixture
def _own_handlers() -> Iterator[None]:
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_own_handlers")
def test_signals_to_the_group_do_not_end_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "kbench.executors.fork_server", raising=False)
    importlib.import_module("kbench.executors.fork_server")
    for number in NUMBERS:
        signal.raise_signal(number)  # by default, either ends a process
        assert signal.getsignal(number) == signal.SIG_IGN
    assert "kbench.run_cell" in sys.modules
