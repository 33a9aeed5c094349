"""The number of threads for a piece of work, and the division of its rows or columns among them.

Threads with too little work wait for each other, on a busy machine much longer than the work itself takes. So BLAS gets
no more threads than its work can occupy. There is one level of threads: rows or columns are divided into contiguous
shares, each share calls BLAS on one thread, and compiled kernels release Python's lock. As in scikit-learn the default
is the whole machine, within the limits of BLAS (OMP_NUM_THREADS, ``threadpoolctl.threadpool_limits``), numba
(NUMBA_NUM_THREADS) and joblib (affinity, container quota). A worker thread or a child process uses one thread.

A process that was forked has none of the threads of its parent, but the OpenMP of GNU, in which scikit-learn and torch
compute, waits for them if the parent had used two. So OpenMP gets one thread there.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

import joblib
from numba import config
from threadpoolctl import ThreadpoolController

__all__ = ["OverlappingLimits", "at_most", "available", "deal", "enough_for"]

MIN_FLOPS = 2e8  # for each thread: some milliseconds of work, compared with 0.1 ms to start it
IMPORTED_IN = os.getpid()
T = TypeVar("T")


@cache
def _libraries() -> Any:
    """Return the thread pools of this process, which take milliseconds to find."""
    return ThreadpoolController().select(user_api="blas")


def _one_thread_of_openmp() -> None:
    ThreadpoolController().select(user_api="openmp").limit(limits=1)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_one_thread_of_openmp)


def _allowed() -> list[int]:
    return [library.num_threads for library in _libraries().lib_controllers]


class OverlappingLimits:
    """Limits on the threads of one library, which several threads of Python may set at a time.

    Parameters
    ----------
    present : callable
        Returns the numbers of threads where nothing is limited.
    apply : callable
        Is given these numbers, and all limits that hold now; it sets the library.
    """

    def __init__(self, present: Callable[[], Any], apply: Callable[[Any, list], None]) -> None:
        self._present, self._apply = present, apply
        self._lock = threading.Lock()
        self._limits: list = []
        self._unlimited: Any = None

    @contextmanager
    def held(self, limit: Any) -> Iterator[None]:
        """Context in which `limit` holds beside the others; when the last one ends, the former state is restored."""
        with self._lock:
            if not self._limits:
                self._unlimited = self._present()
            self._limits.append(limit)
            self._apply(self._unlimited, self._limits)
        try:
            yield
        finally:
            with self._lock:
                self._limits.remove(limit)
                self._apply(self._unlimited, self._limits)


def _limit_blas(unlimited: list[int], limits: list[int]) -> None:
    for library, own in zip(_libraries().lib_controllers, unlimited, strict=True):
        library.set_num_threads(min([own, *limits]))
        if hasattr(library, "clear_controlling_thread"):  # otherwise no other thread could set it back
            library.clear_controlling_thread()


_OF_BLAS = OverlappingLimits(_allowed, _limit_blas)  # they hold for the whole process


def at_most(number: int) -> AbstractContextManager[None]:
    """Context in which BLAS uses at most `number` threads.

    The smallest of all present limits holds; when the last one ends, the former state is restored.

    Examples
    --------
    >>> from skscore._kernels.threads import at_most, available
    >>> with at_most(1):
    ...     available()
    1
    """
    return _OF_BLAS.held(number)


def enough_for(flops: float) -> AbstractContextManager[None]:
    """Context in which BLAS uses no more threads than `flops` floating-point operations can occupy.

    Examples
    --------
    >>> from skscore._kernels.threads import available, enough_for
    >>> with enough_for(1e6):
    ...     available()
    1
    """
    return at_most(_occupied_by(flops))


def _occupied_by(flops: float) -> int:
    return max(1, int(flops / MIN_FLOPS))


def _is_worker() -> bool:
    is_child = multiprocessing.parent_process() is not None or os.getpid() != IMPORTED_IN
    return is_child or threading.current_thread() is not threading.main_thread()


def available() -> int:
    """Return the number of threads that may be used now.

    Examples
    --------
    >>> from threadpoolctl import threadpool_limits
    >>> from skscore._kernels.threads import available
    >>> with threadpool_limits(1, user_api="blas"):
    ...     available()
    1
    """
    if _is_worker():
        return 1
    of_numba = config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # numba sets it at import
    return min(joblib.cpu_count(), of_numba, *_allowed())


def deal(function: Callable[[slice], T], size: int, flops: float) -> list[T]:
    """Evaluate `function` for contiguous shares of `size` rows or columns; return the results in their order.

    Parameters
    ----------
    function : callable
        Maps a slice to its result; it is called from several threads at once.
    size : int
        Number of rows or columns.
    flops : float
        Floating-point operations of the whole work; with few of them there is one share.

    Returns
    -------
    list

    Examples
    --------
    >>> from skscore._kernels.threads import deal
    >>> deal(lambda rows: rows, 5, flops=100.0)
    [slice(0, 5, None)]
    """
    occupied = min(size, _occupied_by(flops))
    n_shares = min(occupied, available()) if occupied > 1 else 1
    if n_shares == 1:
        with enough_for(flops):
            return [function(slice(0, size))]
    ends = [size * share // n_shares for share in range(n_shares + 1)]
    with at_most(1), ThreadPoolExecutor(n_shares) as pool:
        return list(pool.map(function, map(slice, ends[:-1], ends[1:])))
