r"""What a fit keeps of its rows, as values: they are computed anywhere, added in any order, kept, sent and forgotten.

Score matching sees rows through sums alone: moments of the columns, and the quadratic form (Γ, g, c, n) of the
objective. `ScoreStatistics` holds them. Those of two tables add up to those of all their rows,

.. math:: \Gamma = \frac{n_1\Gamma_1 + n_2\Gamma_2}{n_1 + n_2},

and a factor of n forgets old rows. A form has coordinates: where a table lies and how wide it is, and for kernels their
landmarks, bandwidth and ridge. `Plan` holds what decided them. Moments and forms of polynomials are translated as they
are added, whatever plans they have; others add up only under one plan, which one part of the table makes for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import joblib
import numpy as np

from .._compat import get_namespace
from ..formulas.moments import Moments, Summary, moments
from ..models.family import Choice
from ..models.fitted_density import FittedDensity
from .checks import MOST_ROWS
from .frames import FrameKind

__all__ = ["Columns", "Fit", "Plan", "ScoreStatistics", "Statistics", "check_statistics", "gathering"]


class Columns(NamedTuple):
    """What a table is without its rows: number of columns, their names (n_features,) and the kind of frame, or None."""

    number: int
    names: tuple[Hashable, ...] | None = None
    kind: FrameKind | None = None

    @classmethod
    def seen_by(cls, estimator):
        """The columns that an estimator has checked."""
        names = getattr(estimator, "feature_names_in_", None)
        return cls(estimator.n_features_in_, None if names is None else tuple(names), estimator._frame_kind)

    def show(self, estimator):
        """Let an estimator have seen these columns."""
        estimator.n_features_in_, estimator._frame_kind = self.number, self.kind
        if self.names is not None:
            estimator.feature_names_in_ = np.asarray(self.names, dtype=object)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_


@dataclass(frozen=True, eq=False)
class Plan:
    """What the first rows decide for all rows that follow: a value to be pickled and sent.

    Parameters
    ----------
    gathered_for : tuple
        Name and parameters of the model, and the objective.
    choice : Choice
        The family, with its coordinates, and the ridge.
    columns : Columns
    key : str or None
        Names the plan: equal for plans of equal rows and parameters; None if rows of other plans are never added.
    """

    gathered_for: tuple
    choice: Choice
    columns: Columns
    key: str | None = None

    def named(self, *origin: Any) -> Plan:
        """Return the plan with the key of what it was made of."""
        return replace(self, key=joblib.hash((self.gathered_for, origin)))

    def bound_to(self, rows: Moments) -> Plan:
        """Return the plan with its family in coordinates of rows with these moments, if it has any."""
        return replace(self, choice=self.choice._replace(family=self.choice.family.rebound(rows)))

    def statistics(self, records: Sequence[Any]) -> ScoreStatistics:
        """Statistics under this plan of rows of which the moments and the form are known, as their `records`."""
        of_table, form, reference = records
        return ScoreStatistics(self.bound_to(of_table.leading(self.columns.number)), Summary(of_table, form), reference)


def _form(family, X, Y, weight, objective):
    """The form of the rows, with extreme weights in units of the largest: a sum of products of them would overflow."""
    xp, _ = get_namespace(X)
    if weight is None or 1.0 / MOST_ROWS < (unit := float(xp.max(weight))) < MOST_ROWS:
        return family.assemble(X, Y, weight, objective)
    form = family.assemble(X, Y, weight / unit, objective)
    return None if form is None else form.counted(unit)


class Statistics(ABC):
    """What a fit in closed form keeps of rows, a value: ``+`` gives that of the rows of two."""

    @abstractmethod
    def counted(self, times: float) -> Self:
        """Return the statistics with each row counted so many times."""

    def forget(self, factor: float) -> Self:
        """Return the statistics with all rows so far counted `factor` times.

        Parameters
        ----------
        factor : float
            0 < factor ≤ 1. Forgetting by the same factor before each new part weights a part of age k by factor^k.

        Returns
        -------
        Statistics
            Of the same kind.
        """
        return self.counted(_share(factor))


@dataclass(frozen=True, eq=False)
class ScoreStatistics(Statistics):
    """What score matching keeps of rows. ``+`` gives that of the rows of both.

    They are what ``compute_statistics`` returns, and what ``fit_statistics`` takes; they can be pickled.

    Parameters
    ----------
    plan : Plan
        Its choice holds the family, bound to all rows seen.
    summary : Summary
        Moments of the columns, and the quadratic form.
    reference : Moments
        Of the rows in the coordinates ``family.domain.to_reals``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity
    >>> X, density = load_iris().data, ScoreMatchingDensity("polynomial")
    >>> parts = [density.compute_statistics(X[k::3]) for k in range(3)]
    >>> whole = parts[0] + parts[1] + parts[2]
    >>> whole.n_rows
    150.0
    >>> bool(abs(density.fit_statistics(whole).score(X) - density.fit(X).score(X)) < 1e-8)
    True
    """

    plan: Plan
    summary: Summary
    reference: Moments

    @classmethod
    def gather(cls, plan, sample):
        """Sum up the rows of a sample."""
        (X, Y, weight, of_X), family = sample, plan.choice.family
        table, reference, domain = of_X, of_X, family.domain
        if Y is not None:
            table = moments(X, weight, lambda rows: np.hstack([X[rows], Y[rows]]))
        if domain.has_boundary:
            reference = moments(X, weight, lambda rows: domain.to_reals(X[rows]))
        return cls(plan, Summary(table, _form(family, X, Y, weight, plan.gathered_for[-1])), reference)

    def __add__(self, other: ScoreStatistics) -> ScoreStatistics:
        """Return the statistics of the rows of both, in the coordinates of their union."""
        if not isinstance(other, ScoreStatistics):
            return NotImplemented
        self._check_alike(other)
        seen = self.summary.moments + other.summary.moments
        union = self.family.rebound(seen.leading(self.plan.columns.number))
        forms = [union.translate(part.summary.form, part.family) for part in (self, other)]
        return ScoreStatistics(
            replace(self.plan, choice=self.plan.choice._replace(family=union)),
            Summary(seen, None if None in forms else forms[0] + forms[1]),
            self.reference + other.reference,
        )

    @property
    def records(self) -> list[Any]:
        """All that the rows have added to the plan."""
        return [self.summary.moments, self.summary.form, self.reference]

    def _check_alike(self, other):
        """Raise a ValueError unless rows of both were seen by the same model, under a plan that lets them add up."""
        if self.plan.gathered_for != other.plan.gathered_for or self.plan.columns[:2] != other.plan.columns[:2]:
            raise ValueError(
                f"statistics of {self.described} and of {other.described} do not add up. Compute both with the same "
                "parameters of model and objective, on the same columns."
            )
        if self.summary.form is not None and not self.family.translates and self.plan.key != other.plan.key:
            raise ValueError(
                f"statistics of {self.described} add up only under one plan, and these have two. Make one of some "
                "rows, plan = estimator.plan(X), and pass it: compute_statistics(X, plan=plan)."
            )

    @property
    def described(self):
        """What was gathered, as messages say it."""
        model, parameters, objective = self.plan.gathered_for
        shown = ", ".join(f"{name}={value}" for name, value in parameters.items())
        columns = self.plan.columns.names or self.plan.columns.number
        return f"{model}({shown}) with objective {objective} on columns {columns}"

    @property
    def whole(self) -> ScoreStatistics:
        """Those of all rows: these, which have no folds."""
        return self

    @property
    def n_rows(self) -> float:
        """Number of rows; if they have weights, the sum of these."""
        return self.summary.moments.n

    def counted(self, times: float) -> ScoreStatistics:
        """Return the statistics with each row counted so many times."""
        return replace(self, summary=self.summary.counted(times), reference=self.reference.counted(times))

    # ---- what solving asks for ---------------------------------------------------------------------

    @property
    def choice(self) -> Choice:
        """What the first rows decided; its family is bound to all rows seen."""
        return self.plan.choice

    @property
    def family(self):
        """The family, bound to all rows seen."""
        return self.plan.choice.family

    @property
    def objective(self):
        """What is minimised."""
        return self.plan.gathered_for[-1]

    @property
    def moments(self) -> Moments:
        """Of the columns of X."""
        return self.summary.moments.leading(self.plan.columns.number)

    def chosen(self, choice: Choice) -> ScoreStatistics:
        """Return the same rows under another choice, whose family has the coordinates of this one."""
        return replace(self, plan=replace(self.plan, choice=choice))


@dataclass(frozen=True, eq=False)
class Fit:
    """What a fit keeps of its rows, and the density that it found in them.

    Parameters
    ----------
    statistics : ScoreStatistics
    density : FittedDensity or None
        None before it is solved, and if the objective has no minimum.
    value : float or None
        The minimum, without penalty.
    threshold : float or None
        The l1 penalty from which on there would be a minimum, if it is known.
    path : dict or None
        The penalties of which one was chosen, and what each found, by the names of fitted attributes.
    """

    statistics: ScoreStatistics
    density: FittedDensity | None = None
    value: float | None = None
    threshold: float | None = None
    path: dict | None = None

    @property
    def choice(self):
        """What the first rows decided."""
        return self.statistics.choice

    @property
    def family(self):
        """The family, bound to all rows seen."""
        return self.statistics.family

    @property
    def summary(self):
        """Moments of the rows and their quadratic form."""
        return self.statistics.summary

    @property
    def objective(self):
        """What was minimised."""
        return self.statistics.objective


def gathering(model, objective):
    """Name and plain parameters of the model, and the objective: rows gathered for other ones are not to be added."""
    plain = {name: repr(value) for name, value in model.get_params().items() if not callable(value)}
    return type(model).__name__, plain, objective


def check_statistics(statistics, kinds):
    """Raise a ValueError unless statistics are of one of these kinds."""
    if not isinstance(statistics, kinds):
        raise ValueError(
            f"statistics={statistics!r}: fit_statistics takes what compute_statistics of this class returns."
        )


def _share(factor):
    """A factor of `forget` as a float; a ValueError unless 0 < factor ≤ 1."""
    try:
        share = float(factor)
    except (TypeError, ValueError):
        share = np.nan
    if not 0.0 < share <= 1.0:
        raise ValueError(f"factor={factor!r}: rows count for a share of what they did, a number above 0 and at most 1.")
    return share
