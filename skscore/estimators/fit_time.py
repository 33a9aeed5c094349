"""The time of a fit: its training ends early enough for all that follows.

Of T seconds, R are for what validation rows choose. A refit on all rows takes as many passes over them as a training
whose networks see the share q of the rows, so that the training has

    T - R    without a refit,    (T - R) / (1 + 1/q)    with one.

R is predicted from single steps of the flow behind log-densities. Fewer validation rows serve if it exceeds T/2, and
none if the fewest would not fit into T/2 either.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..formulas.moments import evenly

__all__ = ["seconds_of_validation", "trained_in_time"]

FEW, MANY = 64, 256  # rows of the steps that are timed; as many as MANY choose the number of steps
TRIED_STEPS, OTHER_CHOICES = 1.5, 1.5  # flows to choose the number of steps, and to choose all else
TIMINGS = 3


def trained_in_time(train, seconds_of, folds, n_scored: int, begun: float, max_time: float, share: float | None):
    """Train so that a fit that began at `begun`, by ``time.monotonic()``, takes `max_time` seconds.

    Parameters
    ----------
    train : callable
        ``train(deadline, watch)`` returns a TrainingState, and calls ``watch(state)`` at each of its validations.
    seconds_of : callable
        ``seconds_of(state)(n)`` are the seconds that n validation rows will take.
    folds : list of ndarray
        Indices of the validation rows.
    n_scored : int
        How many of them serve at most.
    begun, max_time : float
    share : float or None
        Share of the rows that the networks see before a refit on all of them; None for no refit.

    Returns
    -------
    TrainingState
    list of ndarray or None
        Validation rows for which there is time, None for none.
    """
    seconds, rest = None, max_time / 2.0

    def deadline():
        return begun + (max_time - rest) / (1.0 if share is None else 1.0 + 1.0 / share)

    def watch(state):
        nonlocal seconds, rest
        if seconds is None:
            seconds = seconds_of(state)
            rest = min(seconds(n_scored), max_time / 2.0) if seconds(FEW) <= max_time / 2.0 else 0.0
            state.deadline = deadline()

    state = train(deadline(), watch)
    watch(state)  # a training that was over when it was taken up has not been watched
    spent = time.monotonic() - begun
    left = max_time - spent - (0.0 if share is None else spent / share)
    return state, _affordable(folds, n_scored, seconds, left) if rest else None


def _affordable(folds, n_scored, seconds, left):
    """The validation rows of the folds; if there is no time `left` for `n_scored`, half, a quarter ... of these."""
    most = n_scored = min(n_scored, sum(map(len, folds)))
    while seconds(most) > left and most > FEW:
        most //= 2
    if most == n_scored:
        return folds
    each = -(-most // len(folds))
    return [fold[evenly(len(fold), each)] for fold in folds]


def seconds_of_validation(take_step, n_steps: int, n_folds: int) -> Callable[[int], float]:
    """Function from a number of validation rows to the seconds that they take.

    Parameters
    ----------
    take_step : callable
        ``take_step(n)`` takes one step of the flow with n rows, by the networks of all folds.
    n_steps : int
        Steps behind a log-density.
    n_folds : int
        A row is scored by the networks of one fold; those that choose the number of steps, by all networks.
    """
    few, many = (_timed(take_step, n) for n in (FEW, MANY))
    each = max(many - few, 0.0) / (MANY - FEW)

    def of_step(n):
        return few + each * max(n - FEW, 0)

    return lambda n: n_steps * (TRIED_STEPS * of_step(min(n, MANY)) + OTHER_CHOICES * of_step(n / n_folds))


def _timed(take_step, n):
    """The least of some timings: others may be of a busy machine, or of a first call, which compiles and loads."""
    seconds = []
    for _ in range(TIMINGS):
        begun = time.monotonic()
        take_step(n)
        seconds.append(time.monotonic() - begun)
    return min(seconds)
