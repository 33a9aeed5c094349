"""Windham's robust weights behind the estimator's door."""

from __future__ import annotations

from ..fitting.solvers import UnboundedObjectiveError
from ..formulas.moments import moments
from ..models.folds import taken
from ..models.windham import near_the_median, windham_weights

__all__ = ["Robust"]


class Robust:
    """What an estimator with ``robust=c`` does before its fit; a part of ScoreMatchingDensity."""

    def _without_far_rows(self, sample):
        """The rows that a family is bound to: all, or those near the median where others are to have no say."""
        if not self.robust:
            return sample
        near = taken(sample, near_the_median(sample.X, sample.weight))
        return near._replace(moments=moments(near.X, near.weight))

    def _robust_weight(self, family, sample, objective, first):
        """Weights of the rows by powers of their fitted densities, shape (n,)."""
        self._check_robust(family, first)
        try:
            return windham_weights(family, sample, objective, self._choice.alpha, self.robust)
        except UnboundedObjectiveError as error:
            raise ValueError(
                f"robust={self.robust}: the rows with their robust weights do not determine model={self.model!r} "
                f"({error}). Lower robust, set alpha > 0, or drop columns that are constant or repeat others."
            ) from None

    def _check_robust(self, family, first):
        """Raise a ValueError where a power of the density does not weight the rows as the fit needs it."""
        if not first:
            raise ValueError(
                "robust weights need all rows at once: call fit, or set robust=None to partial_fit further rows."
            )
        if self.objective in ("explicit", "denoising"):
            raise ValueError(
                f"robust={self.robust} with objective={self.objective!r}: rows weighted by a power of their density "
                'do not have the known scores, or the noise, that it matches. Choose objective="implicit".'
            )
        if not family.closed_under_powers:
            raise ValueError(
                f"robust={self.robust} with model={self.model!r}: robust weights need a closed form, and that a power "
                'of a density is of the same model: "gaussian", "pairwise", "truncated_gaussian", "polynomial", or an '
                "ExponentialFamily without a base measure. Choose one of them, or set robust=None."
            )
