r"""What a ladder of closed forms keeps of its rows, as values that add up.

At every noise level the denoising objective is a quadratic form in θ, and the forms of two tables add up at each.
They have coordinates: the cells of discrete columns, the map to isotropic noise, and the levels. The first rows decide
these, a `LadderPlan`, and all that follow are summed up in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import joblib
import numpy as np

from ..formulas.moments import Moments, evenly, moments, row_blocks
from ..levels.ladder import LadderSummary, gather
from ..models.family import Choice, Sample
from ..models.few_rows import few_rows
from ..models.objectives import Implicit
from .noise_path import ladder_through, noise_path, noise_range
from .preprocessing import Preprocessing, SpreadRows
from .statistics import Columns, Statistics, gathering

__all__ = ["LadderPlan", "LadderStatistics", "check_same_plan", "plan_ladder"]

CLOSED_FORM_LEVELS = 41  # θ's of a closed-form model if the user asked for no levels
BLOCK_BYTES = 1 << 24  # of the rows: forms that are added up are few
KEPT_ROWS = 1000  # of a plan, which choose the tail and the steps of the density
COORDINATES = ("sigma_min", "sigma_max", "n_levels", "noise_levels", "preconditioning", "dequantize", "bounds")


@dataclass(frozen=True, eq=False)
class LadderPlan:
    """What the first rows decide for all rows that follow: a value to be pickled and sent.

    Parameters
    ----------
    gathered_for : tuple
        Name and parameters of the model, and the parameters behind the coordinates.
    preprocessing : Preprocessing
        Cells, bounds, and the map to isotropic noise.
    restandardizes : bool
        Whether the map standardises the columns, and so may follow the moments of all rows.
    choice : Choice
        The family, and the ridge.
    levels : ndarray of shape (L,)
        Decreasing.
    columns : Columns
    key : str or None
        Names the plan: equal for plans of equal rows and parameters; None if rows of other plans are never added.
    rows : tuple (X, weight) or None
        Some of the rows, which choose the tail and the number of steps where no others are at hand.
    """

    gathered_for: tuple
    preprocessing: Preprocessing
    restandardizes: bool
    choice: Choice
    levels: np.ndarray
    columns: Columns
    key: str | None = None
    rows: Any = None

    def named(self, X, weight, *origin: Any) -> LadderPlan:
        """Return the plan with some of its rows, and the key of what it was made of."""
        key = joblib.hash((self.gathered_for, np.ascontiguousarray(X), weight, origin))
        return replace(self, key=key).with_rows(X, weight)

    def with_rows(self, X, weight) -> LadderPlan:
        """Return the plan with some of these rows."""
        few = evenly(len(X), KEPT_ROWS)
        return replace(self, rows=(X[few], None if weight is None else weight[few]))

    def statistics(self, records: Sequence[Any]) -> LadderStatistics:
        """Statistics under this plan of rows of which the moments and the forms are known, as their `records`."""
        table, spread, of_levels, *forms = records
        return LadderStatistics(self, table, spread, LadderSummary(self.choice.family, of_levels, forms, self.levels))


@dataclass(frozen=True, eq=False)
class LadderStatistics(Statistics):
    """What denoising score matching in closed form keeps of rows. ``+`` gives that of the rows of both.

    They are what ``compute_statistics`` returns, and what ``fit_statistics`` takes; they can be pickled.

    Parameters
    ----------
    plan : LadderPlan
    table, spread : Moments
        Of the rows as they are in the table, and spread over their cells.
    summary : LadderSummary
        The forms of all levels.
    """

    plan: LadderPlan
    table: Moments
    spread: Moments
    summary: LadderSummary

    @classmethod
    def gather(cls, plan, X, weight) -> LadderStatistics:
        """Sum up the rows X (n, d) with weights (n,) or None."""
        seen = moments(X, weight), plan.preprocessing.spread_moments(X, weight)
        return cls(plan, *seen, _gathered(plan, X, weight))

    @classmethod
    def of_planned(cls, plan, X, weight) -> LadderStatistics:
        """Sum up the rows that the plan was made of, whose moments it has."""
        return cls(plan, plan.preprocessing.moments, plan.preprocessing.spread, _gathered(plan, X, weight))

    def __add__(self, other: LadderStatistics) -> LadderStatistics:
        """Return the statistics of the rows of both, which were computed under one plan."""
        if not isinstance(other, LadderStatistics):
            return NotImplemented
        if self.plan.key != other.plan.key or self.plan.gathered_for != other.plan.gathered_for:
            raise ValueError(
                f"statistics of {self.plan.gathered_for[0]} at several noise levels add up only under one plan, and "
                "these have two. Make one of some rows, plan = estimator.plan(X), and pass it: "
                "compute_statistics(X, plan=plan)."
            )
        return LadderStatistics(
            self.plan, self.table + other.table, self.spread + other.spread, self.summary + other.summary
        )

    @property
    def records(self) -> list[Any]:
        """All that the rows have added to the plan."""
        return [self.table, self.spread, self.summary.table, *self.summary.forms]

    @property
    def n_rows(self) -> float:
        """Number of rows; if they have weights, the sum of these."""
        return self.table.n

    def counted(self, times: float) -> LadderStatistics:
        """Return the statistics with each row counted so many times."""
        table, spread = self.table.counted(times), self.spread.counted(times)
        return LadderStatistics(self.plan, table, spread, self.summary.counted(times))

    def without_rows(self) -> LadderStatistics:
        """Return the statistics as a fit keeps them: no row, and what was remarked is said."""
        choice = self.plan.choice._replace(remarks=())
        return replace(self, plan=replace(self.plan, rows=None, choice=choice))

    @property
    def preprocessing(self) -> Preprocessing:
        """That of the plan, with the moments of all rows; where these say everything, standardised by them, too."""
        seen = replace(self.plan.preprocessing, moments=self.table)
        if self.summary.moments_suffice and self.plan.restandardizes:
            return seen.standardizing(self.spread)
        return seen


def _gathered(plan, X, weight):
    """The forms of the rows at all levels, in the mean over their spreads, which are several if the rows are few."""
    fitted, n_spreads = plan.preprocessing, plan.preprocessing.n_spreads(len(X))
    spread = np.concatenate([*fitted.spreads(X)]) if n_spreads > 1 else next(fitted.spreads(X))
    if n_spreads > 1:
        weight = np.tile((np.ones(len(X)) if weight is None else weight) / n_spreads, n_spreads)

    def of_blocks():
        for rows in row_blocks(len(spread), 8 * X.shape[1], BLOCK_BYTES):
            share = None if weight is None else weight[rows]
            yield gather(plan.choice.family, fitted.map.forward(spread[rows]), share, plan.levels)

    return reduce(add, of_blocks())


def _gathered_for(p, model):
    """Name and plain parameters of the model, and the parameters behind the coordinates."""
    return *gathering(model, Implicit())[:2], tuple(repr(getattr(p, name)) for name in COORDINATES)


def check_same_plan(p, model, plan):
    """Raise a ValueError unless a plan was made for the parameters `p` and the model."""
    if _gathered_for(p, model) != plan.gathered_for:
        raise ValueError(
            f"model={model!r}, {', '.join(f'{name}={getattr(p, name)!r}' for name in COORDINATES)}: not what the rows "
            f"seen so far were gathered for, {plan.gathered_for}. partial_fit and statistics add rows to the same "
            "model, levels and coordinates; to change them, call fit."
        )


def plan_ladder(p, model, X, weight, preprocessing, kind, columns) -> LadderPlan:
    """The plan of rows X (n, d), with weights (n,) or None, whose preprocessing is known.

    Parameters
    ----------
    p : object
        Holder of the parameters of ``DenoisingScoreEstimator``.
    model : Model
    X, weight : ndarray
    preprocessing : Preprocessing
    kind : str
        Of its coordinates.
    columns : Columns

    Returns
    -------
    LadderPlan
    """
    _, sigma_max, levels = noise_range(p, preprocessing.variance)
    levels = ladder_through(noise_path(p), sigma_max, CLOSED_FORM_LEVELS) if levels is None else levels
    few = few_rows(Sample(X, None, weight, preprocessing.spread))
    Z = next(SpreadRows(few.X, preprocessing).spreads())
    rows = Sample(Z, None, few.weight, preprocessing.mapped_moments(few.moments, Z, few.weight))
    choice = model.without_noise().choose(rows, Implicit(), p.alpha, "log_likelihood")
    return LadderPlan(_gathered_for(p, model), preprocessing, kind == "standardize", choice, levels, columns)
