"""Outliers: rows of low density.

Any density ranks rows, and a threshold makes of the ranks a verdict. It is either the quantile that the share of
outliers in the table names, or the lower fence of the log-densities of the rows (:mod:`skscore.formulas.fences`).
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OutlierMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._compat import HasMethods, Interval, StrOptions, check_sample_weight, computed, fit_context
from ..formulas.fences import lower_fence
from ..tabular import TabularDensity
from .all_or_nothing import all_or_nothing
from .versions import VersionedEstimator

__all__ = ["DensityOutlierDetector"]

ROUNDING = 1e-12  # of a share of the rows


def _density_has(name):
    """Return the check that the density has a method, for `available_if`."""

    def check(self):
        getattr(getattr(self, "density_", None) or self._new_density(), name)
        return True

    return check


class DensityOutlierDetector(OutlierMixin, VersionedEstimator):
    """Outlier detector that flags the rows of lowest density.

    Parameters
    ----------
    density : estimator, default=None
        With `fit` and `score_samples`: any density of skscore, `KernelDensity`, `GaussianMixture`, or a Pipeline that
        ends in one. None is a :class:`~skscore.TabularDensity`, "gaussian" and "tree", with ``marginals="none"``,
        ``max_classes=16``, ``handle_unknown="neg_inf"`` and ``random_state=0``: it is fitted in closed
        form to arrays and frames with categories and missing cells, and a row with a level that no row of
        `fit` had is an outlier.
    contamination : "auto" or float in (0, 0.5], default="auto"
        The share of the rows of `fit` that are flagged, at most. "auto" flags those whose log-density lies below the
        lower fence of the adjusted box plot, ``Q1 - 1.5 exp(-g MC) (Q3 - Q1)``, where Q1 and Q3 are the quartiles of
        the log-densities, MC is their medcouple, and g = 4 if MC >= 0, else 3. Of a Gaussian table it flags .2 to .5 %
        of the rows, in any number of columns.

    Attributes
    ----------
    density_ : estimator
        The fitted density.
    offset_ : float
        The log-density, in nats, below which a row is flagged.
    n_features_in_ : int
        Number of columns, if the density tells it.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if the density tells them.

    See Also
    --------
    skscore.TabularDensity : Tells in `feature_contributions` which cells make a row improbable.

    Notes
    -----
    Rows that are flagged stay in the fit. A density that bends around them, such as a kernel density, then finds those
    probable that lie close to each other. Fit it to rows that are known to be normal; or take a density of few
    parameters, or one that outliers hardly move, such as ``ScoreMatchingDensity(alpha=0.1, robust=0.1)``.

    References
    ----------
    Hubert, M., & Vandervieren, E. (2008). An adjusted boxplot for skewed distributions. Computational Statistics & Data
    Analysis, 52(12), 5186-5201.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import DensityOutlierDetector, ScoreMatchingDensity
    >>> X = np.random.default_rng(0).standard_normal((500, 2)) @ [[1.0, 0.9], [0.0, 0.3]]
    >>> detector = DensityOutlierDetector(ScoreMatchingDensity()).fit(X)
    >>> detector.predict([[1.0, 1.0], [1.0, -1.0]])
    array([ 1, -1])
    """

    _parameter_constraints = {
        "density": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0.0, 0.5, closed="right")],
    }

    def __init__(self, density: Any = None, *, contamination: float | str = "auto") -> None:
        self.density = density
        self.contamination = contamination

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._new_density()).input_tags
        return tags

    def _new_density(self):
        if self.density is not None:
            return clone(self.density)
        return TabularDensity(
            "gaussian", "tree", marginals="none", max_classes=16, handle_unknown="neg_inf", random_state=0
        )

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the density, and the threshold to the log-densities of the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or frame
            What the density accepts.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            How many rows each stands for, if the density accepts weights.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If weights are given to a density that does not accept them.
        """
        return self._fit_rows(X, sample_weight)

    @all_or_nothing
    def _fit_rows(self, X, sample_weight):
        density = self._new_density()
        if sample_weight is not None and not has_fit_parameter(density, "sample_weight"):
            raise ValueError(
                f"sample_weight is given, and {type(density).__name__}.fit accepts none. Leave it out, or take a "
                "density of skscore."
            )
        self.density_ = density.fit(X) if sample_weight is None else density.fit(X, sample_weight=sample_weight)
        log_p = computed(self.density_.score_samples(X))
        self.offset_ = _threshold(log_p, check_sample_weight(sample_weight, log_p[:, None]), self.contamination)
        return self

    @property
    def n_features_in_(self) -> int:
        """Number of columns that `fit` saw."""
        check_is_fitted(self)
        return self.density_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns that `fit` saw."""
        check_is_fitted(self)
        return self.density_.feature_names_in_

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row: the lower, the more of an outlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or frame
            Rows like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats.
        """
        check_is_fitted(self)
        return self.density_.score_samples(X)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-density of each row above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or frame
            Rows like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``, in nats.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Tell outliers from others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or frame
            Rows like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            -1 for outliers, 1 for others.
        """
        return np.where(self.decision_function(X) < 0.0, -1, 1)

    @available_if(_density_has("feature_contributions"))
    def feature_contributions(self, X: Any) -> Any:
        """How much each cell adds to −log p of its row, if the density tells it.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            Rows like those of `fit`.

        Returns
        -------
        frame of the kind of X, of shape (n_samples, n_features)
            In nats.
        """
        check_is_fitted(self)
        return self.density_.feature_contributions(X)


def _threshold(log_p, weight, contamination):
    """The log-density below which a row is an outlier; rows of log-density −∞ are outliers whatever it is."""
    finite = np.isfinite(log_p)
    if not finite.any():
        raise ValueError("every row of X has the log-density -inf under the density that was fitted to X.")
    if contamination == "auto":
        return lower_fence(log_p[finite], None if weight is None else weight[finite])
    w = np.ones(len(log_p)) if weight is None else weight
    order = np.argsort(log_p, kind="stable")
    n_flagged = np.searchsorted(np.cumsum(w[order]), contamination * w.sum() * (1.0 + ROUNDING), side="right")
    return float(max(log_p[order[n_flagged]], log_p[finite].min()))
