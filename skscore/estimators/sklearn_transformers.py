"""scikit-learn's estimators beside skscore's: fitted transformers as differentiable maps, weights and draws of any.

`map_of` dispatches on the transformer's type. To teach it another transformer, register a function that returns a
`Map`: ``@map_of.register``. The maps are built from the fitted attributes, so they are exact and cost no call of
`transform`. A transformer that loses information (clips, drops columns, projects) is refused with the remedy. An
elementwise function of one's own comes with its derivatives, as a `BijectiveTransformer`:

    z = f(x) elementwise,  log p_X(x) = log p_Z(f(x)) + sum_j log |f'(x_j)|,

and with l = log |f'|: l' = f''/f', l'' = f'''/f' - (f''/f')^2 for the gradient and the curvature of log p_X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import singledispatch
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FastICA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import has_fit_parameter

from .._compat import check_numpy
from ..maps.affine import Affine
from ..maps.algebra import ColumnBlocks, Map, compose
from ..maps.elementwise import BoxCox, MonotoneFunction, NormalQuantile, PiecewiseLinear, YeoJohnson
from .all_or_nothing import all_or_nothing
from .ica import ScoreMatchingICA
from .versions import VersionedEstimator

SUPPORTED = (
    "StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, PowerTransformer, QuantileTransformer, PCA of full rank,"
    " FastICA and ScoreMatchingICA with a component for each column, BijectiveTransformer, ColumnTransformer, Pipeline,"
    " 'passthrough' and None"
)
QUANTILE_EDGE = 1e-7  # where QuantileTransformer stops the normal quantile, in probability


class BijectiveTransformer(FunctionTransformer, VersionedEstimator):
    """Elementwise strictly monotone function, its inverse and its derivatives.

    `TransformedDensity` accepts it where a plain `FunctionTransformer` would leave the Jacobian unknown.

    Parameters
    ----------
    func : callable, ndarray -> ndarray of the same shape
        f, strictly monotone, applied to each value by itself. Its support is where f and f' are finite and f' is not 0;
        elsewhere the density is zero.
    inverse_func : callable, ndarray -> ndarray of the same shape
        f^-1. Values that `func` does not lead back to lie outside the image of f.
    derivatives : sequence of 1 to 3 callables, ndarray -> ndarray of the same shape
        f', f'', f''': the first suffices for log-densities and samples, the second is needed for `grad_log_density`,
        the third for `curvature` and `hyvarinen_score`.

    See Also
    --------
    TransformedDensity : The density that carries another one through such a map.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.sklearn_transformers import BijectiveTransformer
    >>> logarithm = BijectiveTransformer(np.log, np.exp, [np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3])
    >>> logarithm.fit_transform(np.array([[1.0], [np.e]]))
    array([[0.],
           [1.]])
    """

    def __init__(
        self,
        func: Callable[[Any], Any],
        inverse_func: Callable[[Any], Any],
        derivatives: Sequence[Callable[[Any], Any]],
    ) -> None:
        super().__init__(
            func=func, inverse_func=inverse_func, validate=True, check_inverse=False, feature_names_out="one-to-one"
        )
        self.derivatives = derivatives

    @all_or_nothing
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check that `inverse_func` undoes `func` on every row; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.

        Returns
        -------
        BijectiveTransformer
            The transformer itself.

        Raises
        ------
        ValueError
            If a row does not come back, because `inverse_func` is another function's or `func` is not defined there.
        """
        rows: np.ndarray = check_numpy(X)
        super().fit(X, y)
        with np.errstate(all="ignore"):
            image = self.func(rows)
            returns = np.isclose(self.inverse_func(image), rows, rtol=1e-6, atol=1e-6 * np.abs(rows).max())
        lost = np.sum(~(returns & np.isfinite(image)).all(axis=1))
        if lost:
            raise ValueError(
                f"inverse_func={self.inverse_func!r} does not undo func on {lost} of {len(rows)} rows: give the "
                "inverse of func, and only rows where func is defined."
            )
        return self


# ---- transformers as maps ------------------------------------------------------------------------


@singledispatch
def map_of(transformer) -> Map:
    """Return a fitted transformer as a differentiable map.

    Parameters
    ----------
    transformer : fitted transformer, "passthrough" or None
        One of the supported types, or of a type registered with ``map_of.register``.

    Returns
    -------
    Map
        With Jacobian and inverse.

    Raises
    ------
    ValueError
        If the type is not supported, or if the fitted map is no bijection of R^d.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skscore.estimators.sklearn_transformers import map_of
    >>> X = np.array([[0.0], [4.0]])
    >>> map_of(StandardScaler().fit(X)).log_det(X)
    array([-0.69314718, -0.69314718])
    """
    raise ValueError(
        f"transformer={transformer!r} has no known Jacobian. Supported: {SUPPORTED}. For an elementwise function"
        " with known derivatives use BijectiveTransformer(func, inverse_func, derivatives)."
    )


@map_of.register
def _(transformer: None) -> Map:
    return compose([])


@map_of.register
def _(transformer: str) -> Map:
    if transformer != "passthrough":
        raise ValueError(
            f"transformer={transformer!r} is no bijection: pass every column on with 'passthrough' instead."
        )
    return compose([])


@map_of.register
def _(transformer: StandardScaler) -> Map:
    return Affine.columnwise(
        transformer.n_features_in_,
        factor=1.0 / transformer.scale_ if transformer.with_std else 1.0,
        origin=transformer.mean_ if transformer.with_mean else 0.0,
    )


@map_of.register
def _(transformer: RobustScaler) -> Map:
    return Affine.columnwise(
        transformer.n_features_in_,
        factor=1.0 / transformer.scale_ if transformer.with_scaling else 1.0,
        origin=transformer.center_ if transformer.with_centering else 0.0,
    )


@map_of.register
def _(transformer: MinMaxScaler) -> Map:
    _refuse_clipping(transformer)
    lowest, _ = transformer.feature_range
    return Affine.columnwise(transformer.n_features_in_, transformer.scale_, transformer.data_min_, lowest)


@map_of.register
def _(transformer: MaxAbsScaler) -> Map:
    _refuse_clipping(transformer)
    return Affine.columnwise(transformer.n_features_in_, 1.0 / transformer.scale_)


def _refuse_clipping(scaler):
    if getattr(scaler, "clip", False):
        raise ValueError(f"transformer={scaler!r} clips, so it is no bijection: set clip=False.")


@map_of.register
def _(transformer: PowerTransformer) -> Map:
    power = {"yeo-johnson": YeoJohnson, "box-cox": BoxCox}[transformer.method](transformer.lambdas_)
    return compose([power, map_of(transformer._scaler if transformer.standardize else None)])


@map_of.register
def _(transformer: QuantileTransformer) -> Map:
    quantiles = transformer.quantiles_
    tied = np.flatnonzero((len(quantiles) < 2) | (np.diff(quantiles, axis=0) <= 0.0).any(axis=0))
    if tied.size:
        raise ValueError(
            f"transformer={transformer!r} jumps at repeated values of column {tied[0]}, so it is no bijection and its"
            " column has no density there: lower n_quantiles until the quantiles differ, or spread the repeated values"
            " before fitting."
        )
    to_uniform = PiecewiseLinear(quantiles, transformer.references_)
    to_normal = [NormalQuantile(QUANTILE_EDGE)] if transformer.output_distribution == "normal" else []
    return compose([to_uniform, *to_normal])


@map_of.register
def _(transformer: PCA) -> Map:
    d, rank = transformer.n_features_in_, transformer.n_components_
    if rank < d:
        raise ValueError(
            f"transformer={transformer!r} keeps {rank} of {d} dimensions, so it is no bijection: keep all components"
            " (n_components=None) and give it more rows than columns."
        )
    if not transformer.whiten:
        return Affine(transformer.mean_, transformer.components_.T, np.zeros(d))
    variance = transformer.explained_variance_
    _refuse_singular_whitening(transformer, variance)
    return Affine(transformer.mean_, transformer.components_.T / np.sqrt(variance), np.zeros(d))


@map_of.register
def _(transformer: FastICA) -> Map:
    unmixing = _unmixing(transformer, transformer.mean_ if transformer.whiten else 0.0)
    _refuse_singular_whitening(transformer, np.linalg.svd(transformer.mixing_, compute_uv=False) ** 2)
    return unmixing


@map_of.register
def _(transformer: ScoreMatchingICA) -> Map:
    return _unmixing(transformer, transformer.mean_)


def _unmixing(ica, mean):
    m, d = ica.components_.shape
    if m != d:
        raise ValueError(
            f"transformer={ica!r} has {m} components of {d} columns, so it is no bijection: set n_components=None, and"
            " drop constant and dependent columns."
        )
    return Affine(np.full(d, mean), ica.components_.T, np.zeros(d))


def _refuse_singular_whitening(transformer, variance):
    if variance.min() <= len(variance) * np.finfo(float).eps * variance.max():
        raise ValueError(
            f"transformer={transformer!r} whitens a table that is singular to rounding error: drop constant and"
            " dependent columns; if units differ by many orders of magnitude, standardise first."
        )


@map_of.register
def _(transformer: FunctionTransformer) -> Map:
    if transformer.func is not None:
        raise ValueError(
            f"transformer={transformer!r} has no known Jacobian: use BijectiveTransformer(func, inverse_func,"
            " derivatives), which is told the derivatives of func."
        )
    return compose([])


@map_of.register
def _(transformer: BijectiveTransformer) -> Map:
    return MonotoneFunction(transformer.func, transformer.inverse_func, tuple(transformer.derivatives))


@map_of.register
def _(transformer: Pipeline) -> Map:
    return compose([map_of(step) for _, step in transformer.steps])


@map_of.register
def _(transformer: ColumnTransformer) -> Map:
    d = transformer.n_features_in_
    names = getattr(transformer, "feature_names_in_", np.arange(d))
    blocks = [(step, _positions(columns, names)) for _, step, columns in transformer.transformers_]
    blocks = [(step, positions) for step, positions in blocks if len(positions)]
    read = np.concatenate([positions for _, positions in blocks])
    if any(isinstance(step, str) and step == "drop" for step, _ in blocks) or sorted(read) != list(range(d)):
        raise ValueError(
            f"transformer={transformer!r} drops or repeats columns, so it is no bijection: name each column once, and"
            " pass the others on with remainder='passthrough'."
        )
    writes = np.split(np.arange(d), np.cumsum([len(positions) for _, positions in blocks])[:-1])
    return ColumnBlocks([map_of(step) for step, _ in blocks], [positions for _, positions in blocks], writes)


def _positions(columns, names):
    """Return the positions that a ColumnTransformer's selection names: labels, integers, a mask or a slice."""
    position = {name: k for k, name in enumerate(names)}
    everything = np.arange(len(names))
    if isinstance(columns, slice):
        first = position.get(columns.start, columns.start)
        last = position[columns.stop] + 1 if isinstance(columns.stop, str) else columns.stop  # a label is included
        return everything[first : last : columns.step]
    columns = np.atleast_1d(columns)
    if columns.dtype.kind in "UO":
        return np.array([position[label] for label in columns], dtype=int)
    return everything[columns] if columns.size else everything[:0]


# ---- weights and draws ---------------------------------------------------------------------------


def weight_arguments(estimator, weight):
    """Return the keyword arguments by which an estimator's `fit` accepts weights.

    Parameters
    ----------
    estimator : estimator, "passthrough" or None
        Asked through the signature of its `fit`; a Pipeline step by step.
    weight : ndarray of shape (n,) or None
        The weights.

    Returns
    -------
    dict
        Empty where there are no weights, or none are accepted.
    """
    if weight is None or not hasattr(estimator, "fit"):
        return {}
    if isinstance(estimator, Pipeline):
        return {
            f"{name}__{key}": value
            for name, step in estimator.steps
            for key, value in weight_arguments(step, weight).items()
        }
    return {"sample_weight": weight} if has_fit_parameter(estimator, "sample_weight") else {}


def draw(density, n_samples, rng):
    """Return draws of a fitted density, seeded whether its `sample` is given the seed or holds it.

    Parameters
    ----------
    density : estimator
        With `sample`; left as it is.
    n_samples : int
        Number of rows.
    rng : numpy.random.Generator
        Source of the seed; the global generator is not touched.

    Returns
    -------
    ndarray of shape (n_samples, d)
        The draws.
    """
    seed = int(rng.integers(np.iinfo(np.int32).max))
    if "random_state" in signature(density.sample).parameters:
        return density.sample(n_samples, random_state=seed)
    draws, _ = copy(density).set_params(random_state=seed).sample(n_samples)
    return draws
