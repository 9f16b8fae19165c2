import os
import socket
import time

import pytest

from kbench.progress import (
    Progress,
    read_history,
    read_progress,
    remove_progress,
    report_interval,
    write_history,
    write_progress,
)
from kbench.state import HEARTBEAT_S


def test_progress_is_read_back_with_time_host_and_process(tmp_path) -> None:
    before = time.time()
    write_progress(tmp_path, Progress(epoch=1.5, epochs=4, loss=0.25, metric=90.0, eta_s=3.0))
    found = read_progress(tmp_path)
    assert (found.epoch, found.epochs, found.loss, found.metric, found.eta_s) == (
        1.5,
        4,
        0.25,
        90.0,
        3.0,
    )
    assert (found.host, found.pid) == (socket.gethostname(), os.getpid())
    assert before <= found.time <= time.time()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "3", '{"epoch": 1}', '{"epochs": 1, "later_key": 2}'], ids=repr
)
def test_progress_that_cannot_be_read_is_none(tmp_path, text) -> None:
    (tmp_path / "progress.json").write_text(text)
    assert read_progress(tmp_path) is None


def test_no_progress_is_none_and_may_be_removed_twice(tmp_path) -> None:
    write_progress(tmp_path, Progress(epoch=0.0, epochs=1))
    remove_progress(tmp_path)
    remove_progress(tmp_path)
    assert read_progress(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_history_is_a_line_an_epoch(tmp_path) -> None:
    lines = [{"epoch": 1, "train_loss": 2.5}, {"epoch": 2, "train_loss": 1.25, "top1": 50.0}]
    assert read_history(tmp_path) == []
    write_history(tmp_path, lines)
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2
    assert read_history(tmp_path) == lines


@pytest.mark.parametrize(
    ("age_s", "interval_s"), [(0, 1), (10, 1), (50, 5), (100, 10), (86400, 10)], ids=str
)
def test_the_longer_a_cell_has_run_the_rarer_are_its_reports(age_s, interval_s) -> None:
    assert report_interval(age_s) == interval_s


def test_a_cell_of_a_day_is_never_taken_for_lost_between_two_reports() -> None:
    assert report_interval(86400) < HEARTBEAT_S / 2


def test_progress_that_cannot_be_written_ends_nothing(tmp_path) -> None:
    (tmp_path / "progress.json").mkdir()
    write_progress(tmp_path, Progress(epoch=0.5, epochs=2))
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]
    assert read_progress(tmp_path) is None
