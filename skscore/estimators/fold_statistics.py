"""What a search by folds keeps of rows: the statistics of each fold, as values that add up.

The fold of a row depends on the row alone (``fold_of_rows``), so that parts of a table add up fold by fold wherever and
in whatever order they are read, and the rows to fit for fold k are the sum of all other folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add

from ..formulas.moments import Summary, moments
from ..models.folds import hashed_folds
from .statistics import Plan, ScoreStatistics, Statistics

__all__ = ["FoldStatistics"]


@dataclass(frozen=True, eq=False)
class FoldStatistics(Statistics):
    """Statistics of the rows in each fold. ``+`` gives those of the rows of both.

    They are what ``compute_statistics`` of ``ScoreMatchingDensityCV`` returns if it chooses by a number of folds.

    Parameters
    ----------
    folds : tuple of ScoreStatistics
        None for a fold without rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensityCV
    >>> X, search = np.random.default_rng(0).standard_normal((300, 3)), ScoreMatchingDensityCV(cv=3)
    >>> whole = search.compute_statistics(X[:100]) + search.compute_statistics(X[100:])
    >>> [int(fold.n_rows) for fold in whole.folds], whole.n_rows
    ([98, 94, 108], 300.0)
    """

    folds: tuple[ScoreStatistics | None, ...]

    @classmethod
    def gather(cls, plan: Plan, sample, n_folds: int) -> FoldStatistics:
        """Sum up the rows of a sample in each fold, in coordinates of their own."""
        return cls(tuple(_gathered(plan, fold) if len(fold.X) else None for fold in hashed_folds(sample, n_folds)))

    def __add__(self, other: FoldStatistics) -> FoldStatistics:
        """Return the statistics of the rows of both."""
        if not isinstance(other, FoldStatistics):
            return NotImplemented
        if len(self.folds) != len(other.folds):
            raise ValueError(
                f"statistics of {len(self.folds)} and of {len(other.folds)} folds do not add up: compute both with the "
                "same cv."
            )
        return FoldStatistics(
            tuple((a or b) if a is None or b is None else a + b for a, b in zip(self.folds, other.folds, strict=True))
        )

    @property
    def records(self) -> list:
        """All that the rows have added to the plan, for each fold; None for one without rows."""
        return [None if fold is None else fold.records for fold in self.folds]

    @cached_property
    def whole(self) -> ScoreStatistics:
        """Statistics of all rows."""
        return reduce(add, self._present)

    @property
    def _present(self):
        return [fold for fold in self.folds if fold is not None]

    @property
    def plan(self) -> Plan:
        """The plan of all rows."""
        return self.whole.plan

    @property
    def n_rows(self) -> float:
        """Number of rows; if they have weights, the sum of these."""
        return sum(fold.n_rows for fold in self._present)

    def counted(self, times: float) -> FoldStatistics:
        """Return the statistics with each row counted so many times."""
        return FoldStatistics(tuple(None if fold is None else fold.counted(times) for fold in self.folds))

    def summaries(self, family) -> list[Summary]:
        """Summaries of the folds that have rows, in the coordinates of a family."""
        return [replace(fold.summary, form=family.translate(fold.summary.form, fold.family)) for fold in self._present]


def _gathered(plan, fold):
    seen = moments(fold.X, fold.weight)
    return ScoreStatistics.gather(plan.bound_to(seen), fold._replace(moments=seen))
