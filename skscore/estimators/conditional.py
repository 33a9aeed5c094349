r"""The density of targets given inputs, p(y | x), behind scikit-learn's door for regressors.

A ridge regression takes out what is linear: *u* are the standardised inputs and :math:`v = (y - \hat y(x))A` the
whitened residuals. On them the conditional kernel exponential family of Arbel & Gretton (2018) is fitted in closed
form, over the base measure N(0, I):

.. math:: \log p(y \mid x) = \sum_a \theta_a\, k_X(u, w_a)\, k_Y(v, z_a) + \log N(v; 0, I) - \log Z(u) + \log|\det A| .

Without kernels this is the linear model with Gaussian noise; the kernels add what the rows say of location, spread and
shape.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._compat import Interval, StrOptions, check_numpy, check_sample_weight, fit_context, validate_numpy
from ..fitting.solvers import solve_ridge
from ..formulas import score_losses
from ..formulas.moments import moments
from ..maps.affine import Affine
from ..maps.residuals import fit_residuals
from ..models.folds import group_rows
from ..models.kernels.conditional_kernel import ConditionalLiteFamily
from ..models.kernels.conditional_law import ConditionalDensity, chosen_nodes
from ..models.kernels.conditional_selection import select
from ..models.kernels.landmarks import BANDWIDTHS, distinct_rows, median_bandwidth, place_landmarks
from ..models.objectives import Implicit
from .all_or_nothing import all_or_nothing
from .checks import check_counts, check_spread, rows_of_weight, seed_of, warn_of
from .versions import VersionedEstimator

__all__ = ["ConditionalScoreDensity"]

MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the median bandwidth
ALPHAS = np.logspace(-6.0, 1.0, 15)


class ConditionalScoreDensity(RegressorMixin, VersionedEstimator):
    r"""Conditional density estimator, fitted by score matching in closed form.

    Parameters
    ----------
    n_landmarks : int, default=300
        Largest number of kernels. They sit at k-means centres of the joint rows (u, v), or at all distinct rows of a
        smaller table.
    bandwidth, input_bandwidth : float, "median" or "cv", default="cv"
        :math:`\sigma_Y` of the targets, in units of the whitened residuals, and :math:`\sigma_X` of the inputs, in
        units of their standard deviations. "median" is the median distance between rows, over √2; "cv" chooses among
        ¼, ½, 1, 2 and 4 times that.
    alpha : float or "cv", default="cv"
        Ridge: α/2 times the squared norm of the sum of kernels is added to the mean objective. "cv" chooses among 15
        values from 1e-6 to 10.
    cv : int, default=5
        Folds of the distinct rows behind every "cv", and behind the residuals.
    criterion : {"log_likelihood", "hyvarinen"}, default="log_likelihood"
        What chooses, and what ``score`` returns: the mean log-density in nats, or minus the mean Hyvärinen score.
    random_state : int, RandomState instance, numpy.random.Generator or None, default=None
        Seeds the folds, the normaliser of more than two targets, and the stream of ``sample``.
    verbose : int, default=0
        1 prints a line for each fit.

    Attributes
    ----------
    bandwidth_, input_bandwidth_, alpha_ : float
        As chosen or given.
    landmarks_ : ndarray of shape (m, n_features + n_targets)
        Of the kernels, in the coordinates (u, v).
    theta_ : ndarray of shape (m,)
        Coefficients of the kernels.
    cv_results_ : dict of ndarrays
        "input_bandwidth", "bandwidth", "alpha" and the mean held-out "score" of each candidate, in the coordinates (u,
        v); absent where nothing was chosen.
    n_targets_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has string column names.

    Notes
    -----
    The normaliser Z(u) is an integral for each row: of one or two targets by the trapezoidal rule, of more over 8192
    quasi-random draws of the base measure that all rows share. Where these hardly meet the density of a row, a
    ``ConvergenceWarning`` tells the effective sample size. What has the shape of the targets is one-dimensional where y
    was in ``fit``.

    References
    ----------
    Arbel, M., & Gretton, A. (2018). Kernel conditional exponential family. AISTATS, PMLR 84, 1337-1346.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ConditionalScoreDensity
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-2.0, 2.0, 300)
    >>> y = np.sin(2.0 * x) + (0.2 + 0.3 * np.abs(x)) * rng.standard_normal(300)
    >>> density = ConditionalScoreDensity(n_landmarks=50, random_state=0).fit(x[:, None], y)
    >>> density.predict([[0.0], [0.7]]).round(1) + 0.0
    array([0., 1.])
    >>> density.sample([[0.0], [0.7]], n_samples=3, random_state=0).shape
    (2, 3)
    """

    _parameter_constraints = {
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "bandwidth": [Interval(Real, *BANDWIDTHS, closed="both"), StrOptions({"cv", "median"})],
        "input_bandwidth": [Interval(Real, *BANDWIDTHS, closed="both"), StrOptions({"cv", "median"})],
        "alpha": [Interval(Real, 0.0, None, closed="neither"), StrOptions({"cv"})],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "criterion": [StrOptions({"log_likelihood", "hyvarinen"})],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_landmarks: int = 300,
        *,
        bandwidth: float | str = "cv",
        input_bandwidth: float | str = "cv",
        alpha: float | str = "cv",
        cv: int = 5,
        criterion: str = "log_likelihood",
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_landmarks = n_landmarks
        self.bandwidth = bandwidth
        self.input_bandwidth = input_bandwidth
        self.alpha = alpha
        self.cv = cv
        self.criterion = criterion
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # a log-likelihood is not bounded by 1
        return tags

    # ---- fit -------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the density of the rows of y given those of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, at least two rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, each of at least two values.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; a weight of 2 is exactly a repeated row.

        Returns
        -------
        self
        """
        inputs, targets = validate_numpy(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        weight = check_sample_weight(sample_weight, inputs)
        check_counts(weight)
        self._target_shape = targets.shape[1:]
        Y = targets.reshape(len(targets), -1).astype(np.float64)
        check_spread(inputs)
        check_spread(Y, "y")
        self.n_targets_, self._target_scale = Y.shape[1], _scale_of_targets(Y, weight)
        rng = np.random.default_rng(seed_of(self.random_state))
        inputs, Y, weight = _distinct(inputs, Y, weight)
        fold = rng.permutation(len(inputs)) % min(self.cv, len(inputs))
        self._inputs, self._joint, rows = fit_residuals(inputs, Y, weight, fold)
        self._choose(rows, weight, fold)
        self._solve(rows, weight, rng)
        return self

    def _choose(self, rows, weight, fold):
        """Landmarks, bandwidths and ridge."""
        U, V = np.split(rows, [self.n_features_in_], axis=1)
        self.landmarks_ = place_landmarks(rows, weight, self.n_landmarks)
        candidates = (
            _bandwidths(self.input_bandwidth, U, weight),
            _bandwidths(self.bandwidth, V, weight),
            ALPHAS if self.alpha == "cv" else np.array([self.alpha], dtype=np.float64),
        )
        self.__dict__.pop("cv_results_", None)
        if all(len(values) == 1 for values in candidates):
            self.input_bandwidth_, self.bandwidth_, self.alpha_ = (float(values[0]) for values in candidates)
            return
        best, scores = select(rows, weight, fold, self.landmarks_, self.n_features_in_, candidates, self.criterion)
        self.input_bandwidth_, self.bandwidth_, self.alpha_ = best
        crossed = (values.ravel() for values in np.meshgrid(*candidates, indexing="ij"))
        self.cv_results_ = dict(zip(("input_bandwidth", "bandwidth", "alpha"), crossed, strict=True))
        self.cv_results_["score"] = scores

    def _solve(self, rows, weight, rng):
        """Coefficients of the kernels, and the rule that integrates them."""
        family = ConditionalLiteFamily(self.landmarks_, self.n_features_in_, self.input_bandwidth_, self.bandwidth_)
        form = family.assemble(rows, None, weight, Implicit())
        phi, remarks, _ = solve_ridge(form, self.alpha_)
        seed, self._stream = rng.integers(1 << 32), rng
        self._law = ConditionalDensity(family, phi, chosen_nodes(family, phi, seed))
        warn_of((*remarks, *self._law.nodes.remarks))
        self.theta_ = self._law.theta
        if self.verbose:
            print(
                f"[ConditionalScoreDensity] {weight.sum():g} rows, {len(self.landmarks_)} kernels, input_bandwidth "
                f"{self.input_bandwidth_:.3g}, bandwidth {self.bandwidth_:.3g}, alpha {self.alpha_:.3g}"
            )

    # ---- doors -----------------------------------------------------------------------------------

    def _check_inputs(self, X):
        """Standardised inputs u of the rows."""
        check_is_fitted(self)
        return self._inputs.forward(validate_numpy(self, X, reset=False, dtype=np.float64))

    def _check_rows(self, X, y):
        """Joint rows (u, v)."""
        check_is_fitted(self)
        X = validate_numpy(self, X, reset=False, dtype=np.float64)
        y = check_numpy(y, dtype=np.float64, ensure_2d=False, input_name="y")
        check_consistent_length(X, y)
        Y = y.reshape(len(y), -1)
        if Y.shape[1] != self.n_targets_:
            raise ValueError(f"y has {Y.shape[1]} columns: give the {self.n_targets_} targets seen in fit.")
        return self._joint.forward(np.hstack([X, Y]))

    @property
    def _axes(self):
        """∂v/∂y: a step along each target, as it moves the residuals v."""
        return self._joint.matrix[self.n_features_in_ :, self.n_features_in_ :]

    def _targets(self, U, V):
        """Targets y of residuals v (n, ..., t) at inputs u (n, d)."""
        U = np.broadcast_to(U.reshape(len(U), *(1,) * (V.ndim - 2), -1), (*V.shape[:-1], U.shape[1]))
        return self._joint.inverse(np.concatenate([U, V], axis=-1))[..., self.n_features_in_ :]

    def score_samples(self, X: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Normalised log-density of each target given its input.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p(y | x) in nats, in the units of y.
        """
        rows = self._check_rows(X, y)
        warn_of(self._law.remarks(rows[:, : self.n_features_in_]))
        return self._law.log_density(rows) + (self._joint.log_abs_det - self._inputs.log_abs_det)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Mean of what ``criterion`` names: larger is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their targets.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.

        Returns
        -------
        float
            Mean log-density in nats; or minus the mean Hyvärinen score with every target weighted by its training
            variance.
        """
        hyvarinen = self.criterion == "hyvarinen"
        values = -self.hyvarinen_score(X, y, standardize=True) if hyvarinen else self.score_samples(X, y)
        return np.average(values, weights=check_sample_weight(sample_weight, values[:, None]))

    def grad_log_density(self, X: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Score vectors ∇_y log p(y | x) of the rows; they need no normaliser.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        ndarray of the shape of y
            In nats per unit of each target.
        """
        return self._score(self._check_rows(X, y)).reshape(-1, *self._target_shape)

    def _score(self, rows):
        return self._law.family.score(self._law.phi, rows) @ self._axes.T

    def hyvarinen_score(self, X: ArrayLike, y: ArrayLike, standardize: bool = False) -> np.ndarray:
        """Hyvärinen score ½‖s‖² + ∇·s of each row, with s = ∇_y log p(y | x): smaller is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        standardize : bool, default=False
            Weight every target by its training variance, so that its unit does not matter.

        Returns
        -------
        ndarray of shape (n_samples,)
            In inverse squared units of y; without units where standardized.
        """
        rows, law = self._check_rows(X, y), self._law
        scale = self._target_scale if standardize else np.ones(self.n_targets_)
        divergence = sum(law.family.curvature(law.phi, rows, axis) for axis in scale[:, None] * self._axes)
        return score_losses.implicit(scale * self._score(rows), divergence)

    # ---- means and draws -------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Mean of the targets given each input.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of y.
        """
        U = self._check_inputs(X)
        warn_of(self._law.remarks(U))
        return self._targets(U, self._law.mean(U)).reshape(-1, *self._target_shape)

    def sample(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Draw targets for each input.

        One or two targets are drawn from the cells of the rule that integrates the density. More are resampled from
        8192 draws of the base measure, fresh for each call and shared by its inputs.

        Parameters
        ----------
        X : array-like of shape (n_inputs, n_features)
            Inputs.
        n_samples : int, default=1
            Draws for each of them.
        random_state : int, RandomState instance, numpy.random.Generator or None, default=None
            None continues the stream that ``fit`` started.

        Returns
        -------
        ndarray of shape (n_inputs, n_samples, n_targets)
            In the units of y; without the second axis where ``n_samples`` is 1, and without the last where y was
            one-dimensional.
        """
        U = self._check_inputs(X)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples={n_samples!r}: the number of draws for each input is an integer of at least 1."
            )
        warn_of(self._law.remarks(U))
        rng = self._stream if random_state is None else np.random.default_rng(seed_of(random_state))
        Y = self._targets(U, self._law.sample(U, int(n_samples), rng))
        axis = () if n_samples == 1 else (n_samples,)
        return Y.reshape(len(U), *axis, *self._target_shape)


def _distinct(X, Y, weight):
    """Distinct joint rows and their summed weights, in an order that no unit and no sign of a column changes."""
    weight, X, Y = rows_of_weight(np.ones(len(X)) if weight is None else weight, X, Y)
    joint = np.hstack([X, Y])
    group = group_rows(Affine.standardizing(moments(joint, weight)).forward(joint))
    first = np.unique(group, return_index=True)[1]
    return X[first], Y[first], np.bincount(group, weight)


def _scale_of_targets(Y, weight):
    """Standard deviations of the targets; a constant one has no density."""
    table = moments(Y, weight)
    if table.constant.any():
        raise ValueError(
            f"y is constant in column {np.flatnonzero(table.constant).tolist()} over its {len(Y)} rows (n_samples="
            f"{len(Y)}): a constant target has no density. Drop it."
        )
    return table.scale


def _bandwidths(bandwidth, rows, weight):
    """Candidates for a bandwidth of the user."""
    if not isinstance(bandwidth, str):
        return [float(bandwidth)]
    median = median_bandwidth(*distinct_rows(rows, weight))
    return [median] if bandwidth == "median" else [multiple * median for multiple in MULTIPLES]
