"""How many threads networks compute on, in threads and in forked children."""

import threading

import pytest

pytest.importorskip("torch")
import torch

from skscore._kernels import threads
from skscore.neural import devices

pytestmark = pytest.mark.torch


@pytest.fixture
def three_threads(monkeypatch):
    """torch has three threads, and the work is enough for each."""
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "available", lambda: 3)
    monkeypatch.setattr(devices, "WORK_OF_A_THREAD", 1.0)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def of_a_fresh_thread():
    """The number of threads that torch gives to a thread that it does not know."""
    found = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    return found[0]


def test_limits_that_overlap_leave_no_trace(three_threads):
    """The first thread to come is the first to go: what the second found is not what it has to leave behind."""
    entered, left, found = threading.Event(), threading.Event(), []

    def second():
        with devices.threads_for(1.0):
            found.append(torch.get_num_threads())
            entered.set()
            left.wait()
        found.append(torch.get_num_threads())

    other = threading.Thread(target=second)
    with devices.threads_for(1.0):
        other.start()
        entered.wait()
    assert torch.get_num_threads() == 3
    left.set()
    other.join()
    assert found == [1, 3]
    assert of_a_fresh_thread() == 3


def test_a_limit_within_another(three_threads):
    with devices.threads_for(2.0):
        with devices.threads_for(1.0):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == of_a_fresh_thread() == 3


def test_little_work_and_much(three_threads):
    for work, number in ((0.0, 1), (2.0, 2), (1e9, 3)):
        with devices.threads_for(work):
            assert torch.get_num_threads() == number


def test_no_more_threads_than_the_policy_allows(three_threads, monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 1)
    with devices.threads_for(1e9):
        assert torch.get_num_threads() == 1
