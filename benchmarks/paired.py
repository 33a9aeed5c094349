"""Paired, interleaved timing: only what ran side by side is compared.

A shared machine changes its speed from one second to the next, so seconds taken at different times say little. Every
repetition runs all candidates once, each time in another order, and a ratio is taken within the repetition. What is
reported is the median of these ratios and their range; seconds stand beside them for scale.
"""

from __future__ import annotations

import time
import tracemalloc
from statistics import median


def seconds_of(call):
    """Return the wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved(candidates, repetitions, clock=seconds_of):
    """Return the seconds of each candidate in each repetition, after one round that is not counted.

    Parameters
    ----------
    candidates : dict of str to callable
    repetitions : int
    clock : callable, default=seconds_of
        Maps a candidate to its seconds.

    Returns
    -------
    dict of str to list of float
    """
    for candidate in candidates.values():
        clock(candidate)  # caches are filled, kernels compiled
    seconds = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(repetitions):
        for name in order:
            seconds[name].append(clock(candidates[name]))
        order = order[1:] + order[:1]
    return seconds


def summary(values):
    """Return the median and the range of some numbers."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratio(seconds, name, reference):
    """Return the summary of the paired ratios of one candidate to another."""
    return summary([a / b for a, b in zip(seconds[name], seconds[reference], strict=True)])


def peak_bytes(call):
    """Return the most bytes that numpy and Python held during a call, above what they held before it.

    The work space of BLAS (some megabytes in each process) and arrays made inside compiled kernels are not seen.
    """
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
