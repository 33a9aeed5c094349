"""Every supported transformer of scikit-learn as a map: the same function, or refused if it is no bijection."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, FastICA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skscore.estimators.ica import ScoreMatchingICA
from skscore.estimators.sklearn_transformers import BijectiveTransformer, map_of
from skscore.maps.affine import Affine
from skscore.maps.elementwise import YeoJohnson


def logarithm():
    return BijectiveTransformer(np.log, np.exp, [np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3])


def reciprocal():
    """A decreasing map."""
    return BijectiveTransformer(
        np.reciprocal, np.reciprocal, [lambda x: -1 / x**2, lambda x: 2 / x**3, lambda x: -6 / x**4]
    )


def columns():
    return ColumnTransformer(
        [("power", PowerTransformer(), [2, 0]), ("scale", MinMaxScaler(), [1])], remainder="passthrough"
    )


TRANSFORMERS = {
    "passthrough": "passthrough",
    "identity function": FunctionTransformer(),
    "standard": StandardScaler(),
    "standard, no mean": StandardScaler(with_mean=False),
    "standard, no std": StandardScaler(with_std=False),
    "robust": RobustScaler(),
    "robust, no centering": RobustScaler(with_centering=False),
    "robust, no scaling": RobustScaler(with_scaling=False),
    "robust, unit variance": RobustScaler(unit_variance=True, quantile_range=(10.0, 80.0)),
    "min-max": MinMaxScaler((-1.0, 0.001)),
    "max-abs": MaxAbsScaler(),
    "yeo-johnson": PowerTransformer(),
    "yeo-johnson, raw": PowerTransformer(standardize=False),
    "box-cox": PowerTransformer("box-cox"),
    "box-cox, raw": PowerTransformer("box-cox", standardize=False),
    "quantile, uniform": QuantileTransformer(n_quantiles=12),
    "quantile, normal": QuantileTransformer(n_quantiles=12, output_distribution="normal"),
    "pca": PCA(),
    "pca, whitened": PCA(whiten=True),
    "ica": ScoreMatchingICA(source="logcosh", random_state=0),
    "ica of white rows": make_pipeline(
        PCA(whiten=True), ScoreMatchingICA(source="logcosh", whiten=False, random_state=0)
    ),
    "fast ica": FastICA(random_state=0),
    "fast ica, arbitrary scale": FastICA(whiten="arbitrary-variance", random_state=0),
    "fast ica of white rows": make_pipeline(PCA(whiten=True), FastICA(whiten=False, random_state=0)),
    "logarithm": logarithm(),
    "reciprocal": reciprocal(),
    "columns": columns(),
    "pipeline": make_pipeline(logarithm(), StandardScaler(), PCA(whiten=True)),
    "pipeline of columns": make_pipeline("passthrough", columns(), PowerTransformer(), PCA()),
    "pipeline of quantiles": make_pipeline(
        RobustScaler(), QuantileTransformer(n_quantiles=5, output_distribution="normal"), PCA()
    ),
}


def table(n, seed):
    """Positive, skew, dependent columns in units of 1, 100 and 0.1."""
    X = np.random.default_rng(seed).gamma(4.0, size=(n, 3)) + 0.5
    X[:, 1] += 0.5 * X[:, 0]
    return X * [1.0, 100.0, 0.1]


def fitted(name):
    """Return the fitted transformer and its map."""
    transformer = TRANSFORMERS[name]
    if transformer != "passthrough":
        transformer.fit(table(400, seed=0))
    return transformer, map_of(transformer)


def rows_of(f):
    rows = table(60, seed=1)
    return rows[f.contains(rows)][:25]


every_transformer = pytest.mark.parametrize("name", TRANSFORMERS)


@every_transformer
def test_forward_is_transform(name):
    transformer, f = fitted(name)
    rows = rows_of(f)
    assert len(rows) == 25
    expected = rows if transformer == "passthrough" else transformer.transform(rows)
    assert_allclose(f.forward(rows), expected, rtol=1e-9, atol=1e-9)


@every_transformer
def test_inverse_undoes_forward(name):
    _, f = fitted(name)
    rows = rows_of(f)
    Z = f.forward(rows)
    assert f.reaches(Z).all()
    assert_allclose(f.inverse(Z), rows, rtol=1e-9)


def test_yeo_johnson_with_negative_values_is_scikit_learns():
    X = np.random.default_rng(5).normal(size=(200, 2)) ** 3
    transformer = PowerTransformer(standardize=False).fit(X)
    assert_allclose(YeoJohnson(transformer.lambdas_).forward(X), transformer.transform(X), rtol=1e-12, atol=1e-15)


def test_quantile_map_at_every_training_row_is_scikit_learns_average_of_two_interpolations():
    X = table(50, seed=6)
    transformer = QuantileTransformer(n_quantiles=50).fit(X)
    f = map_of(transformer)
    assert f.contains(X).all()
    assert_allclose(f.forward(X), transformer.transform(X), atol=1e-15)


def test_function_that_decreases_keeps_the_sign_of_its_slope():
    f = map_of(reciprocal())
    assert_allclose(f.pushforward(np.array([[2.0]]), np.array([[1.0]])), [[-0.25]])
    assert_allclose(f.log_det(np.array([[2.0]])), [np.log(0.25)])
    assert f.contains(np.array([[2.0], [0.0]])).tolist() == [True, False]


def test_function_with_a_bounded_image_is_found_out_by_its_round_trip():
    root = BijectiveTransformer(np.sqrt, np.square, [lambda x: 0.5 / np.sqrt(x)])
    f = map_of(root)
    assert f.reaches(np.array([[2.0], [-2.0]])).tolist() == [True, False]
    assert f.contains(np.array([[4.0], [0.0], [-4.0]])).tolist() == [True, False, False]


def test_missing_derivatives_are_named():
    f = map_of(BijectiveTransformer(np.log, np.exp, [np.reciprocal]))
    X = np.ones((2, 1))
    assert_allclose(f.log_det(X), 0.0)
    with pytest.raises(ValueError, match="derivatives holds 1 callables, but this method needs 2"):
        f.pull_score(X, X)


SELECTIONS = {
    "names": (["c", "a"], ["b"]),
    "a name and a slice": ("c", slice("a", "b")),
    "positions": ([2, 0], [-2]),
    "slices": (slice(1, 3), slice(None, 1)),
    "mask": ([False, True, True], [True, False, False]),
    "selector": (make_column_selector("[ac]"), ["b"]),
    "an empty selection": (["a", "b", "c"], []),
    "nothing selected by the second": (["c"], []),
}


PANDAS_ONLY = {"selector"}  # make_column_selector asks for pandas


@pytest.mark.parametrize(
    ("frame", "selection"),
    [(pd.DataFrame, name) for name in SELECTIONS]
    + [(pl.DataFrame, name) for name in SELECTIONS if name not in PANDAS_ONLY],
)
def test_column_selections_are_scikit_learns(frame, selection):
    first, second = SELECTIONS[selection]
    first = [first] if isinstance(first, str) else first  # a bare name would hand one-dimensional columns on
    X = table(80, seed=7)
    named = frame(dict(zip("abc", X.T, strict=True)))
    transformer = ColumnTransformer(
        [("first", StandardScaler(), first), ("second", MinMaxScaler(), second)], remainder=RobustScaler()
    ).fit(named)
    f = map_of(transformer)
    assert_allclose(f.forward(X), transformer.transform(named), rtol=1e-12, atol=1e-12)
    assert_allclose(f.inverse(f.forward(X)), X, rtol=1e-12)


CONSTANT = np.column_stack([np.arange(30.0), np.ones(30)])
REFUSED = {
    "unknown": (PolynomialFeatures(), "no known Jacobian. Supported: StandardScaler"),
    "unknown function": (FunctionTransformer(np.log1p), "use BijectiveTransformer"),
    "unknown word": ("drop", "pass every column on with 'passthrough'"),
    "clipping min-max": (MinMaxScaler(clip=True), "set clip=False"),
    "projection": (PCA(n_components=1), "keeps 1 of 2 dimensions.*n_components=None"),
    "a constant column": (ScoreMatchingICA(source="logcosh", random_state=0), "drop constant and dependent columns"),
    "singular whitening": (PCA(whiten=True), "singular to rounding error.*dependent columns"),
    "atoms": (QuantileTransformer(n_quantiles=5), "repeated values of column 1.*lower n_quantiles"),
    "one quantile": (QuantileTransformer(n_quantiles=1), "repeated values of column 0"),
    "dropped columns": (ColumnTransformer([("a", StandardScaler(), [0])]), "remainder='passthrough'"),
    "repeated columns": (
        ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", StandardScaler(), [0])]),
        "name each column once",
    ),
    "inside a pipeline": (make_pipeline(StandardScaler(), PolynomialFeatures()), "PolynomialFeatures"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_bijection_is_refused_with_the_remedy(case):
    transformer, message = REFUSED[case]
    if hasattr(transformer, "fit"):
        transformer.fit(CONSTANT)
    with pytest.raises(ValueError, match=message):
        map_of(transformer)


@pytest.mark.parametrize(
    "ica",
    [
        FastICA(n_components=2, random_state=0),
        ScoreMatchingICA(2, source="logcosh", random_state=0),
        ScoreMatchingICA(4, source="logcosh", n_init=1, random_state=0),
    ],
)
def test_components_are_as_many_as_columns(ica):
    with pytest.raises(ValueError, match=f"has {ica.n_components} components of 3 columns.*n_components=None"):
        map_of(ica.fit(table(400, seed=0)))


def test_another_transformer_can_be_registered():
    class Doubler(FunctionTransformer):
        """Its own type, so that the registration touches nothing else."""

    map_of.register(Doubler)(lambda transformer: Affine.columnwise(2, 2.0))
    assert_allclose(map_of(Doubler()).log_det(np.zeros((1, 2))), 2.0 * np.log(2.0))


def test_bijective_transformer_is_a_scikit_learn_transformer():
    X = pd.DataFrame({"a": [1.0, np.e], "b": [1.0, 1.0]})
    transformer = logarithm().set_output(transform="pandas").fit(X)
    assert list(transformer.transform(X).columns) == ["a", "b"]
    assert_allclose(transformer.inverse_transform(transformer.transform(X)), X)
    assert clone(transformer).func is np.log


@pytest.mark.parametrize("inverse", [np.expm1, np.log])
def test_bijective_transformer_refuses_a_wrong_inverse(inverse):
    with pytest.raises(ValueError, match="does not undo func on 2 of 3 rows"):
        BijectiveTransformer(np.cbrt, lambda z: np.where(z > 0, inverse(z), z**3), [np.sign]).fit(
            [[1.0], [2.0], [-2.0]]
        )


def test_bijective_transformer_refuses_rows_outside_its_support():
    with pytest.raises(ValueError, match="does not undo func on 1 of 2 rows"):
        logarithm().fit([[1.0], [-1.0]])
