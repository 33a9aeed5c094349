"""scikit-learn's fitted transformers, read as differentiable bijections.

`bijection_of` dispatches on the transformer's type. To teach it another transformer, register a function that returns a
`Bijection`: ``@bijection_of.register``. The maps are built from the fitted attributes, so they are exact and cost no
call of `transform`. A transformer that loses information (clips, drops columns, projects) is refused with the remedy.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
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

from ..maps.algebra import Bijection, ColumnBlocks, Identity, Linear, compose
from ..maps.elementwise import BoxCox, NormalQuantile, PiecewiseLinear, Scale, YeoJohnson
from .bijective_transformer import BijectiveTransformer, MonotoneFunction

SUPPORTED = (
    "StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, PowerTransformer, QuantileTransformer, PCA of full rank,"
    " BijectiveTransformer, ColumnTransformer, Pipeline, 'passthrough' and None"
)
QUANTILE_EDGE = 1e-7  # where QuantileTransformer stops the normal quantile, in probability


@singledispatch
def bijection_of(transformer) -> Bijection:
    """Return a fitted transformer as a differentiable bijection.

    Parameters
    ----------
    transformer : fitted transformer, "passthrough" or None
        One of the supported types, or of a type registered with ``bijection_of.register``.

    Returns
    -------
    Bijection
        The map of `transformer`, with Jacobian and inverse.

    Raises
    ------
    ValueError
        If the type is not supported, or if the fitted map is no bijection of R^d.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skscore.estimators.fitted_transformers import bijection_of
    >>> X = np.array([[0.0], [4.0]])
    >>> bijection_of(StandardScaler().fit(X)).log_det(X)
    array([-0.69314718, -0.69314718])
    """
    raise ValueError(
        f"transformer={transformer!r} has no known Jacobian. Supported: {SUPPORTED}. For an elementwise function"
        " with known derivatives use BijectiveTransformer(func, inverse_func, derivatives)."
    )


@bijection_of.register
def _(transformer: None) -> Bijection:
    return Identity()


@bijection_of.register
def _(transformer: str) -> Bijection:
    if transformer != "passthrough":
        raise ValueError(
            f"transformer={transformer!r} is no bijection: pass every column on with 'passthrough' instead."
        )
    return Identity()


@bijection_of.register
def _(transformer: StandardScaler) -> Bijection:
    return Scale(
        factor=1.0 / transformer.scale_ if transformer.with_std else 1.0,
        center=transformer.mean_ if transformer.with_mean else 0.0,
    )


@bijection_of.register
def _(transformer: RobustScaler) -> Bijection:
    return Scale(
        factor=1.0 / transformer.scale_ if transformer.with_scaling else 1.0,
        center=transformer.center_ if transformer.with_centering else 0.0,
    )


@bijection_of.register
def _(transformer: MinMaxScaler) -> Bijection:
    _refuse_clipping(transformer)
    return Scale(factor=transformer.scale_, center=transformer.data_min_, offset=transformer.feature_range[0])


@bijection_of.register
def _(transformer: MaxAbsScaler) -> Bijection:
    _refuse_clipping(transformer)
    return Scale(factor=1.0 / transformer.scale_)


def _refuse_clipping(scaler):
    if getattr(scaler, "clip", False):
        raise ValueError(f"transformer={scaler!r} clips, so it is no bijection: set clip=False.")


@bijection_of.register
def _(transformer: PowerTransformer) -> Bijection:
    power = {"yeo-johnson": YeoJohnson, "box-cox": BoxCox}[transformer.method](transformer.lambdas_)
    return compose([power, bijection_of(transformer._scaler if transformer.standardize else None)])


@bijection_of.register
def _(transformer: QuantileTransformer) -> Bijection:
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


@bijection_of.register
def _(transformer: PCA) -> Bijection:
    d, rank = transformer.n_features_in_, transformer.n_components_
    if rank < d:
        raise ValueError(
            f"transformer={transformer!r} keeps {rank} of {d} dimensions, so it is no bijection: keep all components"
            " (n_components=None) and give it at least as many rows as columns."
        )
    if not transformer.whiten:
        return Linear(transformer.components_, transformer.mean_)
    variance = transformer.explained_variance_
    if variance.min() <= d * np.finfo(float).eps * variance.max():
        raise ValueError(
            f"transformer={transformer!r} whitens a table that is singular to rounding error: drop constant and"
            " dependent columns, standardise first, or set whiten=False."
        )
    return Linear(transformer.components_ / np.sqrt(variance)[:, None], transformer.mean_)


@bijection_of.register
def _(transformer: FunctionTransformer) -> Bijection:
    if transformer.func is not None:
        raise ValueError(
            f"transformer={transformer!r} has no known Jacobian: use BijectiveTransformer(func, inverse_func,"
            " derivatives), which is told the derivatives of func."
        )
    return Identity()


@bijection_of.register
def _(transformer: BijectiveTransformer) -> Bijection:
    return MonotoneFunction(transformer.func, transformer.inverse_func, tuple(transformer.derivatives))


@bijection_of.register
def _(transformer: Pipeline) -> Bijection:
    return compose([bijection_of(step) for _, step in transformer.steps])


@bijection_of.register
def _(transformer: ColumnTransformer) -> Bijection:
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
    return ColumnBlocks([bijection_of(step) for step, _ in blocks], [positions for _, positions in blocks], writes)


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
