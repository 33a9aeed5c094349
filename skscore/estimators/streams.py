r"""A table that comes block by block: the statistics of its blocks are computed in parallel and added as a tree.

With k blocks the statistics :math:`s_1, \dots, s_k` are added in pairs of equal size, as a binary counter carries: the
partial sums that wait are those of the binary digits of k, so that log₂ k of them are kept, and a block takes part in
log₂ k additions, whose rounding grows no faster (Higham, 1993). The order depends on the blocks alone, and each block
is computed by one thread: the fit is the same, bit for bit, whoever computes the blocks.

References
----------
Higham, N. J. (1993). The accuracy of floating point summation. SIAM Journal on Scientific Computing 14, 783-799.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing, contextmanager
from functools import reduce
from itertools import chain, islice
from typing import Any, TypeVar

import narwhals as nw
import numpy as np
from joblib import effective_n_jobs
from sklearn import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from .._compat import get_namespace
from .._kernels.threads import at_most
from .checks import warn_of
from .subtotals import Subtotals

__all__ = ["fit_blocks"]

ROWS_OF_A_PLAN = 10_000
NO_ROWS = "blocks: there are no rows in them. Give at least two; a generator gives its blocks once."
METHODS = ("plan", "compute_statistics", "fit_statistics")
Density = TypeVar("Density", bound=Any)


def fit_blocks(
    estimator: Density,
    blocks: Iterable[Any],
    *,
    plan: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Density:
    """Fit an estimator to a table that comes in blocks of rows, in memory that does not grow with their number.

    Parameters
    ----------
    estimator : estimator
        One with ``plan``, ``compute_statistics`` and ``fit_statistics``: a density in closed form.
    blocks : iterable
        A list, or a generator, of blocks. A block is a table of shape (n_rows, n_features): an array, a memory map, a
        frame of pandas, polars or pyarrow; or a pair (X, sample_weight); or a function without arguments that returns
        one of these, which is called where the block is computed. A block without rows, or without a positive weight,
        counts for nothing.
    plan : Plan or None, default=None
        From ``estimator.plan``. None makes it of the first 10,000 rows, so that a table without more is fitted as by
        ``fit``; functions among the first blocks are called twice for that. If the first rows are not like the others,
        as in a sorted table, give the plan of some that are.
    n_jobs : int or None, default=None
        Blocks that are computed at a time, as in joblib: None is 1, unless a ``joblib.parallel_config`` says
        otherwise, and -1 all processors. Its back ends are taken as they are. Results do not depend on it.
    checkpoint : str, path or None, default=None
        A file that holds the partial sums while the fit goes on, written whole every ten seconds, and removed at its
        end. If the process dies, the same call goes on from there to the same fit, bit for bit: functions of blocks
        that are done are not called again, but for a plan of first rows, and a generator is advanced past its own. The
        estimator must have the same parameters, and an integer or None as ``random_state``.

    Returns
    -------
    estimator
        The same one, fitted.

    Raises
    ------
    ValueError
        If a block cannot be read or added, which its number in the message tells, counted from 0; if there are no
        rows; or if the checkpoint is damaged, is that of another fit, or cannot be written.

    See Also
    --------
    ScoreMatchingDensity.partial_fit : Add rows to a fitted density.
    ScoreMatchingDensity.compute_statistics : What a fit keeps of the rows of one block.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity, fit_blocks
    >>> X = load_iris().data
    >>> density = fit_blocks(ScoreMatchingDensity(), (X[start : start + 50] for start in range(0, 150, 50)))
    >>> bool(np.allclose(density.score_samples(X), ScoreMatchingDensity().fit(X).score_samples(X)))
    True
    """
    _check_estimator(estimator)
    remaining, saved = _iterated(blocks), None if checkpoint is None else Subtotals(checkpoint)
    if plan is None:
        plan, remaining = _planned(estimator, remaining)
    number, sums = (0, []) if saved is None else saved.resumed(plan)
    _pass_over(number, remaining)
    for statistics in _computed(clone(estimator), plan, remaining, number, n_jobs):
        _add(sums, statistics)
        number += 1
        if saved is not None:
            saved.keep(plan, number, sums)
    if not sums:
        raise ValueError(NO_ROWS)
    estimator.fit_statistics(_total(sums))
    if saved is not None:
        warn_of(filter(None, [saved.remove()]))
    return estimator


# ---- the sum -------------------------------------------------------------------------------------


def _add(sums, statistics):
    """Add the statistics of one more block, None if it counts for nothing, to sums of 2^rank blocks, (rank, sum)."""
    if statistics is None:
        return
    rank = 0
    with at_most(1):  # whether blocks are computed in threads of this process or not
        while sums and sums[-1][0] == rank:
            statistics = sums.pop()[1] + statistics
            rank += 1
    sums.append((rank, statistics))


def _total(sums):
    """The sum of the partial sums, the smallest first."""
    with at_most(1):
        return reduce(lambda later, earlier: earlier + later, [statistics for _, statistics in reversed(sums)])


# ---- the blocks ----------------------------------------------------------------------------------


def _pass_over(number, blocks):
    """Advance past the blocks that are done; a ValueError if there are not so many."""
    if (there := sum(1 for _ in islice(blocks, number))) < number:
        raise ValueError(f"checkpoint: {number} blocks are done, but there are {there} here. Give the same blocks.")


def _computed(estimator, plan, blocks, first, n_jobs):
    """Statistics of the blocks in their order, numbered from `first`, None for one that counts for nothing."""
    failures: list[Exception] = []
    numbered = _until_failure(enumerate(blocks, first), failures)
    tasks = (delayed(_statistics_of)(estimator, plan, block, number) for number, block in numbered)
    with closing(_results(tasks, n_jobs)) as results:
        yield from results
    if failures:
        raise failures[0]


def _results(tasks, n_jobs):
    """Results of the tasks in their order, of which joblib has a few for each worker at a time."""
    try:
        parallel = Parallel(n_jobs, return_as="generator", batch_size=1)
    except ValueError:  # the back ends of ray and multiprocessing return lists alone
        parallel, at_a_time = Parallel(n_jobs, batch_size=1), 4 * effective_n_jobs(n_jobs)
        while some := list(islice(tasks, at_a_time)):
            yield from parallel(some)
    else:
        yield from parallel(tasks)


def _until_failure(values, failures):
    """The values up to the first error, which is kept: joblib asks for them in threads whose errors nobody sees."""
    try:
        yield from values
    except Exception as error:
        failures.append(error)


def _statistics_of(estimator, plan, block, number):
    """Statistics of one block, by one thread; None if it counts for nothing."""
    with _naming(number), at_most(1):
        X, weight = _rows(block)
        return None if _counts_for_nothing(X, weight) else estimator.compute_statistics(X, weight, plan=plan)


@contextmanager
def _naming(number):
    """Let an error tell of which block it is."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"blocks: block {number} cannot be added: {_told(error)}") from None


def _told(error):
    """What an error says, after its type if that is another one."""
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def _rows(block):
    """Table and weights of a block, which is called if it is a function."""
    rows = block() if callable(block) else block
    return rows if isinstance(rows, tuple) and len(rows) == 2 else (rows, None)


def _counts_for_nothing(X, weight):
    """Whether a block has no rows, or weights that are all zero."""
    return _shape(X)[0] == 0 or (weight is not None and not np.any(weight))


def _shape(X):
    """Numbers of rows and columns."""
    shape = X.shape if hasattr(X, "shape") else np.shape(X)
    if len(shape) != 2:
        raise ValueError(f"{type(X).__name__} is no table of rows and columns.")
    return shape


# ---- the plan ------------------------------------------------------------------------------------


def _planned(estimator, blocks):
    """The plan of the first rows, and all blocks."""
    read: list[Any] = []
    rows: list[tuple[Any, Any]] = []
    n_rows = 0
    for block in blocks:
        with _naming(len(read)):
            X, weight = _rows(block)
            if not _counts_for_nothing(X, weight):
                rows.append((_head(X, ROWS_OF_A_PLAN - n_rows), weight))
                n_rows += len(rows[-1][0])
                _check_width(X, rows[0][0])
        read.append(block)
        if n_rows >= ROWS_OF_A_PLAN:
            break
    if not rows:
        raise ValueError(NO_ROWS)
    return estimator.plan(*_stacked(rows)), chain(read, blocks)


def _head(X, most):
    """The first rows of a table."""
    if nw.dependencies.is_into_dataframe(X):
        return nw.from_native(X, eager_only=True).head(most).to_native()
    return (X if hasattr(X, "shape") else np.asarray(X))[:most]


def _check_width(X, first):
    if _shape(X)[1] != _shape(first)[1]:
        raise ValueError(f"it has {_shape(X)[1]} columns, blocks before it have {_shape(first)[1]}.")


def _stacked(rows):
    """One table of several, and its weights, None if no table has any."""
    tables = [X for X, _ in rows]
    if all(weight is None for _, weight in rows):
        return _one_table(tables), None
    weights = [np.ones(len(X)) if weight is None else np.asarray(weight)[: len(X)] for X, weight in rows]
    return _one_table(tables), np.concatenate(weights)


def _one_table(tables):
    if len(tables) == 1:
        return tables[0]
    try:
        if nw.dependencies.is_into_dataframe(tables[0]):
            return nw.concat([nw.from_native(X, eager_only=True) for X in tables], how="vertical").to_native()
        xp, _ = get_namespace(tables[0])
        return xp.concat(tables)
    except Exception as error:  # each library of frames has its own
        raise ValueError(
            f"blocks: the first {len(tables)} do not make one table: {_told(error)} Give all of them the same columns, "
            "in one order and of one type."
        ) from None


# ---- what is refused -----------------------------------------------------------------------------


def _check_estimator(estimator):
    """Raise a ValueError unless statistics of parts of a table are enough for the estimator."""
    if isinstance(estimator, Pipeline):
        raise ValueError(
            "estimator is a Pipeline, whose steps are fitted to all rows. Fit its transformers first, and give "
            "pipeline[-1] and the blocks that they return, (pipeline[:-1].transform(X) for X in blocks)."
        )
    if isinstance(estimator, type) or not all(callable(getattr(estimator, name, None)) for name in METHODS):
        raise ValueError(
            f"estimator={estimator!r} keeps no statistics that add up: give one with the methods {', '.join(METHODS)}, "
            "such as ScoreMatchingDensity()."
        )


def _iterated(blocks):
    """The blocks one after the other; a ValueError if they are one table, or fail between two blocks."""
    if not isinstance(blocks, Iterable) or isinstance(blocks, str) or hasattr(blocks, "shape"):
        raise ValueError(
            f"blocks is {type(blocks).__name__}: give a list or a generator of tables; of one table X, [X], or slices "
            "of it."
        )
    return _named_failure(blocks)


def _named_failure(blocks):
    number = 0
    try:
        for block in blocks:
            yield block
            number += 1
    except Exception as error:
        raise ValueError(f"blocks: the iterable failed at block {number}: {_told(error)}") from None
