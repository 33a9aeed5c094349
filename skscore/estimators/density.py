"""The public contract of every density estimator: doors that check the rows, and what follows from log p and s.

A subclass supplies hooks on checked rows in the support: ``_log_density`` (normalised), ``_score``, ``_divergence``,
``_curvature`` and ``_draw``; it keeps the training variances of the columns (``_variance``) and the random ``_stream``
that `sample` continues.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import DensityMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .._compat import beside, check_columns, check_sample_weight, get_namespace, native_frame, validate_numpy
from ..formulas import score_losses
from .checks import NAMED_MODELS, seed_of
from .evaluation import in_blocks
from .frames import FrameKind, frame_kind, frame_of_kind
from .partitions import partitions_of
from .versions import VersionedEstimator

__all__ = ["DensityEstimator"]


class DensityEstimator(DensityMixin, VersionedEstimator):
    """Density estimator with a score: log-likelihoods, gradients, Hyvärinen scores and samples in the units of X."""

    _found_when_asked: str | None = None  # a fitted attribute that needs time
    _frame_kind: FrameKind | None = None  # of the rows that `fit` saw

    def __getstate__(self):
        """The state with what is found when first asked for, so that a pickle or hash does not show if it was."""
        if self._found_when_asked is not None:
            with suppress(AttributeError, ValueError):  # before a fit, or of what has none
                getattr(self, self._found_when_asked)
        return super().__getstate__()

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator, and of the objects that it holds by ``name__parameter``.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If ``name__parameter`` is set while ``name`` is a string, which has no parameters.
        """
        held = {**self.get_params(deep=False), **params}
        for name in params:
            prefix, nested, _ = name.partition("__")
            if nested and isinstance(held.get(prefix), str):
                self._refuse_nested(name, prefix, held[prefix])
        return super().set_params(**params)

    def _refuse_nested(self, name, prefix, value):
        remedy = f"{prefix}={NAMED_MODELS[value].__name__}()" if value in NAMED_MODELS else f"for {prefix}"
        raise ValueError(
            f"{name} cannot be set: {prefix}={value!r} is a string, which has no parameters. Pass the object {remedy}."
        )

    def _first_seen(self, X):
        """The rows of a first fit, a lazy frame computed; what kind of frame they are is kept for `sample`."""
        X = native_frame(X)
        self._frame_kind = frame_kind(X)
        return X

    def _check_rows(self, X: Any) -> np.ndarray:
        """Rows as float64, of the width and column names seen in fit."""
        check_is_fitted(self)
        return validate_numpy(self, X, reset=False, dtype=np.float64)

    def _partitions(self, X, sample_weight=None):
        """The partitions of rows of the columns seen in fit, which workers evaluate; None for rows in memory."""
        rows = partitions_of(X, None, sample_weight)
        if rows is not None:
            check_is_fitted(self)
            check_columns(self, rows.without_rows)
        return rows

    def _adds_up(self, d):
        """Whether statistics of d columns add up whatever plan they have, if they are kept."""
        return False

    def _normalize(self):
        """Find what the log-density of every row needs, before rows are evaluated one by one."""
        if self._found_when_asked is not None:
            getattr(self, self._found_when_asked)

    def _support(self, X):
        """Which rows have positive density, shape (n,); None for all."""
        return None

    def _on_support(self, evaluate, X, *directions, outside, width=()):
        """`evaluate(X, *directions)` on the rows of the support, `outside` in all of the `width` elsewhere.

        Rows are evaluated a block at a time, so that what it takes beside them and the answer does not grow with them.
        Some may lie so far away that their squares overflow: there log p is −∞.
        """

        def of_block(X, *directions):
            inside = self._support(X)
            if inside is None or inside.all():
                return evaluate(X, *directions)
            values = np.full((len(X), *width), outside)
            if inside.any():
                values[inside] = evaluate(X[inside], *(V if V.ndim == 1 else V[inside] for V in directions))
            return values

        with np.errstate(all="ignore"):
            return in_blocks(of_block, X, *directions)

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Normalised log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p(x) in nats; a row's value does not depend on its batch. −inf outside the domain. A lazy dask array if
            X is a collection of dask.

        Raises
        ------
        ValueError
            Where the fitted model has infinite mass.
        """
        if (rows := self._partitions(X)) is not None:
            self._normalize()
            return rows.evaluate(self.score_samples)
        X = self._check_rows(X)
        return self._on_support(self._log_density, X, outside=-np.inf)

    def score(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Mean of what ``criterion`` names: larger is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.

        Returns
        -------
        float
            Mean log-density in nats, or its lower bound where a density has one; or minus the mean Hyvärinen score with
            every column weighted by its training variance.
        """
        if (rows := self._partitions(X, sample_weight)) is None:
            total, n = self._criterion_total(X, None, sample_weight)
        else:
            if getattr(self, "criterion", "log_likelihood") != "hyvarinen":
                self._normalize()
            total, n = rows.sum(self._criterion_total)
        return np.float64(total / n)

    def _criterion_total(self, X, y, sample_weight):
        """Weighted sum of what `score` averages, and of the weights."""
        values = self._criterion_values(X)
        weight = check_sample_weight(sample_weight, values[:, None])
        xp, _ = get_namespace(values)
        if weight is None:
            return np.array([float(xp.sum(values)), values.shape[0]])
        kept = weight > 0.0  # a row of weight zero is not there: −inf · 0 must not become NaN
        return np.array([float(xp.sum(weight[kept] * values[kept])), float(xp.sum(weight))])

    def _criterion_values(self, X):
        """What `score` averages, one value for each row, shape (n,)."""
        criterion = getattr(self, "criterion", "log_likelihood")
        return -self.hyvarinen_score(X, standardize=True) if criterion == "hyvarinen" else self.score_samples(X)

    def grad_log_density(self, X: ArrayLike) -> np.ndarray:
        """Score vectors ∇ log p of the rows; they need no normaliser.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In nats per unit of each column; NaN outside the domain.
        """
        if (rows := self._partitions(X)) is not None:
            return rows.evaluate(self.grad_log_density, ndim=2)
        X = self._check_rows(X)
        return self._on_support(self._score, X, outside=np.nan, width=X.shape[1:])

    def curvature(self, X: ArrayLike, V: ArrayLike) -> np.ndarray:
        """Second derivative of log p along directions: vᵀ ∇² log p(x) v.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.
        V : array-like of shape (n_features,) or (n_samples, n_features)
            Directions, in the units of X.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats; NaN outside the domain.
        """
        X = self._check_rows(X)
        xp, _ = get_namespace(X)
        directions = xp.asarray(V, dtype=X.dtype, device=getattr(X, "device", None))
        given, one, each = (tuple(shape) for shape in (directions.shape, X.shape[1:], X.shape))
        if given not in {one, each}:
            raise ValueError(f"V has shape {given}: give one direction {one} or one for each row {each}.")
        directions = check_array(directions, dtype=X.dtype, ensure_2d=False, input_name="V")
        return self._on_support(self._curvature, X, directions, outside=np.nan)

    def hyvarinen_score(self, X: ArrayLike, standardize: bool = False) -> np.ndarray:
        """Hyvärinen score ½‖s‖² + ∇·s of each row: smaller is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.
        standardize : bool, default=False
            Weight every coordinate by the training variance of its column, ½ Σ v_j s_j² + Σ v_j ∂_j s_j, so that a
            rescaled column cannot change a preference.

        Returns
        -------
        ndarray of shape (n_samples,)
            In inverse squared units of X; without units where standardized. On a bounded domain weighted by the
            distance h to its boundary, h(½‖s‖² + ∇·s) + ∇h·s.
        """
        if (rows := self._partitions(X)) is not None:
            return rows.evaluate(partial(self.hyvarinen_score, standardize=standardize))
        X = self._check_rows(X)
        scale = beside(X, self._variance**0.5) if standardize else None
        return self._on_support(lambda X: self._hyvarinen(X, scale), X, outside=np.nan)

    def _hyvarinen(self, X, scale):
        return score_losses.implicit(*self._score_and_divergence(X, scale))

    def _score_and_divergence(self, X, scale):
        """s and ∇·s with coordinate j measured in units of scale_j, raw where `scale` is None."""
        if scale is None:
            return self._score(X), self._divergence(X)
        xp, _ = get_namespace(X)
        axes = xp.eye(X.shape[1], dtype=X.dtype, device=getattr(X, "device", None)) * scale[:, None]
        return scale * self._score(X), sum(self._curvature(X, axes[j, :]) for j in range(X.shape[1]))

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | np.random.Generator | None = None
    ) -> Any:
        """Draw rows from the fitted density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        random_state : int, RandomState instance, numpy.random.Generator or None, default=None
            None continues the stream that ``fit`` started: two calls differ, and a refit with an integer
            ``random_state`` repeats them.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or frame
            In the units and the support of X. If `fit` saw a frame of pandas, polars or pyarrow, it is such a frame, of
            the same names and dtypes. Columns of whole numbers whose density is continuous are of float64.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r}: the number of rows to draw is an integer of at least 1.")
        rng = self._stream if random_state is None else np.random.default_rng(seed_of(random_state))
        return frame_of_kind(self._draw(int(n_samples), rng), self._frame_kind)
