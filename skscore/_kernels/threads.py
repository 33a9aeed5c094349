"""How many threads a piece of work may use, and dealing its rows or columns to them.

Threads with too little to do wait for each other, on a busy machine for many times as long as the work takes: BLAS has
no more of them than its work can feed. One level of threads is enough: rows or columns are dealt in contiguous shares,
each share calls BLAS on one thread, and compiled kernels let go of Python's lock. The whole machine is taken as scikit-
learn takes it, by default and no further than BLAS (OMP_NUM_THREADS, ``threadpoolctl.threadpool_limits``), numba
(NUMBA_NUM_THREADS) and joblib (affinity, container quota) allow. Whoever is already one of many workers, a thread or a
child process, uses one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import joblib
from numba import config
from threadpoolctl import ThreadpoolController

__all__ = ["at_most", "available", "deal", "enough_for"]

MIN_FLOPS = 2e8  # for one more thread: some milliseconds, against a tenth of one to start it
IMPORTED_IN = os.getpid()


@cache
def _libraries():
    """The thread pools of this process; to find them takes milliseconds, to ask them nothing."""
    return ThreadpoolController().select(user_api="blas")


def _allowed():
    return [library.num_threads for library in _libraries().lib_controllers]


class _Limits:
    """Limits on BLAS, which are one for all threads of the process, asked for by several of them at a time."""

    def __init__(self):
        self.lock, self.asked, self.own = threading.Lock(), [], []

    @contextmanager
    def at_most(self, number):
        """Context in which BLAS takes `number` threads, or as few as it is allowed already.

        The least of all limits asked for holds; with the last of them goes the trace of all.

        Examples
        --------
        >>> from skscore._kernels.threads import at_most, available
        >>> with at_most(1):
        ...     available()
        1
        """
        with self.lock:
            self.own = self.own if self.asked else _allowed()
            self.asked.append(number)
            self._hold()
        try:
            yield
        finally:
            with self.lock:
                self.asked.remove(number)
                self._hold()

    def _hold(self):
        for library, own in zip(_libraries().lib_controllers, self.own, strict=True):
            library.set_num_threads(min([own, *self.asked]))
            if hasattr(library, "clear_controlling_thread"):  # else no other thread could set it back
                library.clear_controlling_thread()


at_most = _Limits().at_most


def enough_for(flops):
    """Context in which BLAS takes no more threads than `flops` at a time can feed.

    Examples
    --------
    >>> from skscore._kernels.threads import available, enough_for
    >>> with enough_for(1e6):
    ...     available()
    1
    """
    return at_most(_fed_by(flops))


def _fed_by(flops):
    return max(1, int(flops / MIN_FLOPS))


def _is_worker():
    is_child = multiprocessing.parent_process() is not None or os.getpid() != IMPORTED_IN
    return is_child or threading.current_thread() is not threading.main_thread()


def available():
    """Threads that a pass may use now.

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
    return min(joblib.cpu_count(), config.NUMBA_NUM_THREADS, *_allowed())


def deal(function, size, flops):
    """Results of `function` for contiguous shares of `size` rows or columns, in their order.

    Parameters
    ----------
    function : callable
        Maps a slice of them to its result; called from several threads at once.
    size : int
    flops : float
        Of the whole work: little of it is one share.

    Returns
    -------
    list

    Examples
    --------
    >>> from skscore._kernels.threads import deal
    >>> deal(lambda rows: rows, 5, flops=100.0)
    [slice(0, 5, None)]
    """
    most = min(size, _fed_by(flops))
    n_shares = min(most, available()) if most > 1 else 1
    if n_shares == 1:
        with enough_for(flops):
            return [function(slice(0, size))]
    ends = [size * share // n_shares for share in range(n_shares + 1)]
    with at_most(1), ThreadPoolExecutor(n_shares) as pool:
        return list(pool.map(function, map(slice, ends[:-1], ends[1:])))
