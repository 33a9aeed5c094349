"""The threading policy: who may use how many threads, and what rows each gets."""

import multiprocessing
import os
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skscore._kernels import threads


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 3)


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_limits_of_blas_are_kept():
    most = threads.available()
    assert 1 <= most <= joblib.cpu_count()
    with threadpool_limits(1, user_api="blas"):
        assert threads.available() == 1
    assert threads.available() == most


def test_fewer_threads_for_a_while_and_never_more():
    before = blas_threads()
    with threads.at_most(1):
        assert blas_threads() == {1}
        with threads.at_most(3):
            assert blas_threads() == {1}
    assert blas_threads() == before


LIMITS = ["OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT"]


@pytest.mark.parametrize("variable", LIMITS)
def test_limits_of_the_environment_are_kept(variable):
    # the file alone, as the package imports scikit-learn, which takes a second more
    code = f"import numpy, runpy; print(runpy.run_path({threads.__file__!r})['available']())"
    environment = {name: value for name, value in os.environ.items() if name not in LIMITS} | {variable: "1"}
    done = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "1"


def _available():
    return threads.available()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib_use_one_thread(monkeypatch, backend):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    jobs = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(_available)() for _ in range(4))
    assert jobs == [1] * 4


def test_a_forked_child_uses_one_thread(monkeypatch):
    monkeypatch.setattr(threads, "IMPORTED_IN", -1)
    assert threads.available() == 1


def test_a_child_process_uses_one_thread(monkeypatch):
    monkeypatch.setattr(multiprocessing, "parent_process", object)
    assert threads.available() == 1


@pytest.mark.parametrize("n_rows", [1, 2, 3, 10, 1001])
def test_every_row_is_dealt_once_and_in_order(three_threads, n_rows):
    shares = threads.deal(lambda rows: np.arange(n_rows)[rows], n_rows, flops=1e12)
    assert len(shares) == min(3, n_rows)
    np.testing.assert_array_equal(np.concatenate(shares), np.arange(n_rows))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_shares_run_in_other_threads_with_one_thread_of_blas_each(three_threads):
    before = blas_threads()
    names, blas = zip(*threads.deal(lambda _: (threading.get_ident(), blas_threads()), 9, flops=1e12), strict=True)
    assert threading.get_ident() not in names
    assert set.union(*blas) == {1}
    assert blas_threads() == before


def test_little_work_stays_in_this_thread(three_threads):
    assert threads.deal(lambda _: threading.get_ident(), 9, flops=threads.MIN_FLOPS) == [threading.get_ident()]


def test_limits_of_threads_that_overlap_leave_no_trace():
    """The first to come is the first to go: what the second found is not what it has to leave behind."""
    entered, left = threading.Event(), threading.Event()

    def second():
        with threads.at_most(1):
            entered.set()
            left.wait()

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=second)
        with threads.at_most(1):
            other.start()
            entered.wait()
        assert threads.available() == 1
        left.set()
        other.join()
        assert set(threads._allowed()) == {2}


@pytest.mark.parametrize(("flops", "most"), [(0.0, 1), (2.9 * threads.MIN_FLOPS, 2)])
def test_little_work_has_few_threads_of_blas(flops, most):
    before = blas_threads()
    with threads.enough_for(flops):
        assert blas_threads() == {min(most, own) for own in before}
    assert blas_threads() == before


def test_a_single_share_of_little_work_has_one_thread_of_blas():
    assert threads.deal(lambda _: blas_threads(), 9, flops=threads.MIN_FLOPS) == [{1}]
