"""TransformedDensity: one density, whatever the units it was fitted in."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, FastICA
from sklearn.impute import SimpleImputer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skscore import ScoreMatchingDensity, ScoreMatchingICA
from skscore.estimators.sklearn_transformers import BijectiveTransformer
from skscore.estimators.transformed import MASS_DRAWS, TransformedDensity


class Normal(DensityMixin, BaseEstimator):
    """A Gaussian by maximum likelihood, with the whole protocol of a fitted density."""

    def fit(self, X, y=None, sample_weight=None):
        self.mean_ = np.average(X, axis=0, weights=sample_weight)
        self.covariance_ = np.atleast_2d(np.cov(X.T, ddof=0, aweights=sample_weight))
        self.precision_ = np.linalg.inv(self.covariance_)
        return self

    def score_samples(self, X):
        return np.atleast_1d(stats.multivariate_normal(self.mean_, self.covariance_).logpdf(X))

    def score(self, X, y=None):
        return self.score_samples(X).mean()

    def grad_log_density(self, X):
        return (self.mean_ - X) @ self.precision_

    def curvature(self, X, V):
        return np.broadcast_to(-np.einsum("...i,ij,...j->...", V, self.precision_, V), len(X))

    def sample(self, n_samples=1, random_state=None):
        return np.random.default_rng(random_state).multivariate_normal(self.mean_, self.covariance_, n_samples)


def logarithm():
    return BijectiveTransformer(np.log, np.exp, [np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3])


def root():
    return BijectiveTransformer(
        np.sqrt, np.square, [lambda x: 0.5 * x**-0.5, lambda x: -0.25 * x**-1.5, lambda x: 0.375 * x**-2.5]
    )


ONTO = {  # maps onto R^d
    "passthrough": "passthrough",
    "none": None,
    "standard": StandardScaler(),
    "robust": RobustScaler(),
    "min-max": MinMaxScaler(),
    "max-abs": MaxAbsScaler(),
    "pca": PCA(whiten=True),
    "ica": ScoreMatchingICA(source="logcosh", random_state=0),
    "fast ica": FastICA(random_state=0),
    "nested": make_pipeline("passthrough", StandardScaler(), make_pipeline(PCA(), MinMaxScaler((-2, 2)))),
    "columns": ColumnTransformer([("first", StandardScaler(), [0])], remainder="passthrough"),
}
INTO = {  # maps onto less than R^d, or not known to do better
    "logarithm": logarithm(),
    "root": root(),
    "yeo-johnson": PowerTransformer(),
    "box-cox": PowerTransformer("box-cox"),
    "quantile, uniform": QuantileTransformer(n_quantiles=8),
    "quantile, normal": QuantileTransformer(n_quantiles=8, output_distribution="normal"),
    "pipeline": make_pipeline(PowerTransformer("box-cox"), PCA()),
}
TRANSFORMERS = ONTO | INTO
UNITS = np.array([1.0, 50.0])


def table(n=300, d=2, seed=0):
    """Positive, skew, dependent columns in different units."""
    X = np.random.default_rng(seed).gamma(3.0, size=(n, 2)) + 0.2
    X[:, 1] += 0.5 * X[:, 0]
    return (X * UNITS)[:, :d]


def rows_inside(density, n=20):
    rows = table(3 * n, d=density.n_features_in_, seed=1)
    return rows[np.isfinite(density.score_samples(rows))][:n]


every_transformer = pytest.mark.parametrize("name", TRANSFORMERS)


@pytest.fixture(scope="module", params=TRANSFORMERS)
def fitted(request):
    return TransformedDensity(Normal(), TRANSFORMERS[request.param]).fit(table())


# --- identities over the list of all transformers ---------------------------------------------------------------------


def test_gradient_is_the_central_difference_of_the_log_density(fitted):
    rows = rows_inside(fitted)
    for j, h in enumerate(1e-5 * np.diag(UNITS)):
        numerical = (fitted.score_samples(rows + h) - fitted.score_samples(rows - h)) / (2 * h[j])
        assert_allclose(fitted.grad_log_density(rows)[:, j] * UNITS[j], numerical * UNITS[j], atol=1e-5)


def test_curvature_is_the_central_difference_of_the_gradient(fitted):
    rows = rows_inside(fitted)
    V = np.random.default_rng(2).normal(size=rows.shape) * UNITS
    h = 1e-5
    gradients = [fitted.grad_log_density(rows + sign * h * V) for sign in (1, -1)]
    numerical = ((gradients[0] - gradients[1]) * V).sum(axis=1) / (2 * h)
    assert_allclose(fitted.curvature(rows, V), numerical, rtol=1e-5, atol=1e-5)
    assert_allclose(fitted.curvature(rows, V[0]), fitted.curvature(rows, np.broadcast_to(V[0], rows.shape)))


def test_hyvarinen_score_is_its_definition(fitted):
    rows = rows_inside(fitted)
    s = fitted.grad_log_density(rows)
    axes = [fitted.curvature(rows, axis) for axis in np.eye(2)]
    assert_allclose(fitted.hyvarinen_score(rows), 0.5 * (s**2).sum(axis=1) + sum(axes), rtol=1e-10)
    v = table().var(axis=0)
    weighted = 0.5 * (v * s**2).sum(axis=1) + v[0] * axes[0] + v[1] * axes[1]
    assert_allclose(fitted.hyvarinen_score(rows, standardize=True), weighted, rtol=1e-10)


@every_transformer
def test_density_integrates_to_one_in_one_dimension(name):
    density = TransformedDensity(Normal(), TRANSFORMERS[name]).fit(table(d=1))
    assert_allclose(total_mass(density), 1.0, atol=1e-4 + 4.0 * relative_mass_error(density))


@pytest.mark.parametrize("density", [Normal(), KernelDensity(bandwidth=0.4), GaussianMixture(2, random_state=0)])
def test_density_integrates_to_one_where_a_power_map_is_bounded(density):
    """So skew a column that Yeo-Johnson's power is negative: part of any density on R lies beyond its image."""
    X = np.exp(np.random.default_rng(14).exponential(size=(300, 1)))
    density = TransformedDensity(density, PowerTransformer()).fit(X)
    assert density.transformer_.lambdas_[0] < 0.0
    assert density.image_mass_ < 0.99
    assert_allclose(total_mass(density, far=1e12), 1.0, atol=2e-3 + 4.0 * relative_mass_error(density))


def total_mass(density, far=4e3):
    """The integral of a density of one column, piece by piece between quantiles and decades."""
    below = [] if density.score_samples([[-1e-3]])[0] == -np.inf else [-40.0, -5.0]
    pieces = [*below, 0.0, 0.05, 0.5, 1.0, 2.0, 4.0, 8.0, *np.geomspace(15.0, far, 12)]
    if isinstance(density.transformer_, QuantileTransformer):
        pieces = density.transformer_.quantiles_[:, 0]
    return sum(
        integrate.quad(lambda x: np.exp(density.score_samples([[x]])[0]), low, high, limit=200)[0]
        for low, high in pairwise(pieces)
    )


def relative_mass_error(density):
    """One standard error of the mass in the image, relative to it."""
    return np.sqrt((1.0 - density.image_mass_) / (density.image_mass_ * MASS_DRAWS))


@every_transformer
def test_density_integrates_to_one_in_two_dimensions(name):
    """By importance sampling: the mean of p/q over draws of q, half of them Gaussian, half lognormal."""
    density = TransformedDensity(Normal(), TRANSFORMERS[name]).fit(table())
    lognormal = TransformedDensity(Normal(), logarithm()).fit(table(seed=3))
    gaussian = TransformedDensity(Normal(), StandardScaler()).fit(1.5 * table(seed=3))
    n = 20_000
    draws = np.concatenate([lognormal.sample(n, random_state=4), gaussian.sample(n, random_state=5)])
    log_q = np.logaddexp(lognormal.score_samples(draws), gaussian.score_samples(draws)) - np.log(2.0)
    ratio = np.exp(density.score_samples(draws) - log_q)
    stderr = np.hypot(ratio.std() / np.sqrt(2 * n), relative_mass_error(density))
    assert stderr < 0.02
    assert_allclose(ratio.mean(), 1.0, atol=4.0 * stderr)


def test_samples_follow_the_density_in_original_units(fitted):
    """The mean of u(x) over samples is that of u over the density, for bounded test functions u."""
    n = 20_000
    samples = fitted.sample(n, random_state=0)
    assert samples.shape == (n, 2)
    assert np.isfinite(fitted.score_samples(samples)).all()
    reference = TransformedDensity(KernelDensity(bandwidth=0.7), StandardScaler()).fit(table(seed=6))
    draws = reference.sample(n, random_state=7)
    ratio = np.exp(fitted.score_samples(draws) - reference.score_samples(draws))
    centre = np.median(samples, axis=0)
    for u in (lambda X: X[:, 0] < centre[0], lambda X: (X < centre).all(axis=1), lambda X: X[:, 1] < 0.5 * centre[1]):
        weighted = ratio * u(draws)
        stderr = np.hypot(weighted.std(), 0.5) / np.sqrt(n)
        assert_allclose(weighted.mean(), u(samples).mean(), atol=4.0 * np.hypot(stderr, relative_mass_error(fitted)))


@every_transformer
def test_samples_pass_a_kolmogorov_smirnov_test(name):
    density = TransformedDensity(Normal(), TRANSFORMERS[name]).fit(table(d=1))
    n = 5_000
    samples = np.sort(density.sample(n, random_state=1)[:, 0])
    grid = np.linspace(samples[0], samples[-1], 20_001)
    p = np.exp(density.score_samples(grid[:, None]))
    cdf = integrate.cumulative_trapezoid(p, grid, initial=0.0)
    distance = np.abs(np.interp(samples, grid, cdf) - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.95 / np.sqrt(n) + 2.0 / n + 4.0 * relative_mass_error(density)


# --- two routes to one number -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONTO)
def test_affine_maps_leave_a_gaussian_what_it_is(name):
    X, rows, V = table(), table(seed=8), np.array([1.0, -20.0])
    transformed, direct = TransformedDensity(Normal(), ONTO[name]).fit(X), Normal().fit(X)
    assert transformed.image_mass_ == 1.0
    assert_allclose(transformed.score_samples(rows), direct.score_samples(rows), rtol=1e-9)
    assert_allclose(transformed.score(rows), direct.score(rows), rtol=1e-9)
    assert_allclose(transformed.grad_log_density(rows), direct.grad_log_density(rows), rtol=1e-8, atol=1e-10)
    assert_allclose(transformed.curvature(rows, V), direct.curvature(rows, V), rtol=1e-9)


def test_logarithm_of_a_gaussian_is_the_lognormal():
    X = table(d=1)
    density = TransformedDensity(Normal(), logarithm()).fit(X)
    law = stats.lognorm(np.log(X).std(), scale=np.exp(np.log(X).mean()))
    assert_allclose(density.score_samples(X), law.logpdf(X[:, 0]), rtol=1e-10)
    assert density.image_mass_ == 1.0


def test_a_transformed_density_can_be_transformed_again():
    X, rows = table(), table(20, seed=9)
    twice = TransformedDensity(TransformedDensity(Normal(), PCA()), logarithm()).fit(X)
    once = TransformedDensity(Normal(), make_pipeline(logarithm(), PCA())).fit(X)
    for method in ("score_samples", "grad_log_density", "hyvarinen_score"):
        assert_allclose(getattr(twice, method)(rows), getattr(once, method)(rows), rtol=1e-9)


def test_image_mass_is_that_of_the_normal_law():
    X = table(d=1)
    density = TransformedDensity(Normal(), QuantileTransformer(n_quantiles=8)).fit(X)
    law = stats.norm(density.density_.mean_[0], np.sqrt(density.density_.covariance_[0, 0]))
    mass = law.cdf(1.0) - law.cdf(0.0)
    assert mass < 0.95
    assert_allclose(density.image_mass_, mass, atol=4.0 * np.sqrt(mass * (1.0 - mass) / MASS_DRAWS))


@pytest.mark.parametrize(
    "transformer", [MinMaxScaler(), StandardScaler(), make_pipeline("passthrough", RobustScaler())]
)
def test_weights_are_repetitions(transformer):
    X, rows = table(60), table(20, seed=10)
    weight = np.random.default_rng(11).integers(0, 4, size=60)
    weighted = TransformedDensity(Normal(), transformer).fit(X, sample_weight=weight)
    repeated = TransformedDensity(Normal(), transformer).fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.score_samples(rows), repeated.score_samples(rows), rtol=1e-9)
    assert_allclose(weighted.variances_, repeated.variances_, rtol=1e-12)
    assert_allclose(weighted.score(X, sample_weight=weight), weighted.score(np.repeat(X, weight, axis=0)), rtol=1e-12)


def test_weights_reach_the_steps_of_a_pipeline():
    X, weight = table(60), np.arange(60.0)
    pipeline = make_pipeline("passthrough", make_pipeline(StandardScaler()))
    density = TransformedDensity(Normal(), pipeline).fit(X, sample_weight=weight)
    assert_allclose(density.transformer_[-1][0].mean_, np.average(X, axis=0, weights=weight))


# --- dependent columns: a rotation has determinant one, and what it leaves of them is rounding ------------------------


def dependent(kind, n=400):
    """Parts, with what they determine; in units far apart, if asked for."""
    parts = np.random.default_rng(0).gamma(3.0, 2.0, (n, 3))
    rows = {
        "total": np.c_[parts, parts.sum(axis=1)],
        "total off by 1e-6": np.c_[parts, parts.sum(axis=1) + 1e-6 * np.random.default_rng(1).normal(size=n)],
        "repeated": np.c_[parts, 2.2 * parts[:, 0]],
        "repeated, in small units": np.c_[1e6 * parts, 2.2 * parts[:, 0] + 1e8, 1e-3 * parts[:, 0]],
        "constant": np.c_[parts, np.full(n, 7.0)],
        "as many rows as columns": parts[:3],
    }
    return rows[kind]


DEPENDENT = [
    "total",
    "total off by 1e-6",
    "repeated",
    "repeated, in small units",
    "constant",
    "as many rows as columns",
]
MIXTURES = {
    "pca": PCA(),
    "whitened": PCA(whiten=True),
    "full": PCA(svd_solver="full"),
    "pipeline": make_pipeline(StandardScaler(), PCA()),
    "whitened after scaling": make_pipeline(RobustScaler(), PCA(whiten=True), StandardScaler()),
    "two": make_pipeline(PCA(), StandardScaler(), PCA()),
    "columns": ColumnTransformer([("all", PCA(), slice(0, None))]),
    "columns of a pipeline": make_pipeline(
        MinMaxScaler(), ColumnTransformer([("all", make_pipeline(StandardScaler(), PCA()), slice(0, None))])
    ),
    "some columns": ColumnTransformer([("some", PCA(), [0, 1])], remainder="passthrough"),
    "two parts": ColumnTransformer([("two", PCA(), [0, 1]), ("others", PCA(), slice(2, None))]),
    "ica": ScoreMatchingICA(source="logcosh", random_state=0),
    "ica after scaling": make_pipeline(RobustScaler(), ScoreMatchingICA(source="logcosh", random_state=0)),
    "fast ica": FastICA(random_state=0, max_iter=1000),
    "fast ica after scaling": make_pipeline(StandardScaler(), FastICA(random_state=0, max_iter=1000)),
    "by covariances": make_pipeline(FunctionTransformer(), PCA(svd_solver="covariance_eigh")),
}


@pytest.mark.filterwarnings("ignore:FastICA did not converge:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")  # in FastICA
@pytest.mark.parametrize("kind", DEPENDENT)
@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_of_dependent_columns_is_refused(name, kind):
    reason = r"dependent columns|determined by the others.*Drop such columns"
    if "fast ica" in name and kind == "constant":
        reason = "array must not contain infs or NaNs"  # FastICA's own
    with pytest.raises(ValueError, match=reason):
        TransformedDensity(ScoreMatchingDensity(), MIXTURES[name]).fit(dependent(kind))


@pytest.mark.filterwarnings("ignore:1 of 4 directions:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_search_does_not_choose_the_rounding_error_of_a_rotation():
    grid = {"transformer": [StandardScaler(), PCA(), make_pipeline(StandardScaler(), PCA(whiten=True))]}
    search = GridSearchCV(TransformedDensity(ScoreMatchingDensity(), None), grid).fit(dependent("total"))
    assert isinstance(search.best_params_["transformer"], StandardScaler)


@pytest.mark.parametrize("units", [1.0, np.array([1e4, 1.0, 1e-2])], ids=["alike", "far apart"])
@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_of_independent_columns_is_the_density_of_standardised_ones(name, units):
    """Also where some columns are determined by others, but not linearly."""
    parts = np.random.default_rng(0).gamma(3.0, 2.0, (400, 2))
    X = np.c_[parts, parts[:, 0] ** 2] * units
    mixed = TransformedDensity(ScoreMatchingDensity(), MIXTURES[name]).fit(X)
    plain = TransformedDensity(ScoreMatchingDensity(), StandardScaler()).fit(X)
    assert_allclose(mixed.score_samples(X), plain.score_samples(X), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("kind", ["total", "total off by 1e-6"])
@pytest.mark.parametrize("power", ["yeo-johnson", "box-cox"])
def test_a_rotation_of_columns_that_are_bent_apart_changes_nothing(power, kind):
    """Once each column has its own power, none is a sum of others."""
    X = dependent(kind)
    bent = TransformedDensity(ScoreMatchingDensity(), PowerTransformer(power)).fit(X)
    rotated = TransformedDensity(ScoreMatchingDensity(), make_pipeline(PowerTransformer(power), PCA())).fit(X)
    assert_allclose(rotated.score_samples(X), bent.score_samples(X), rtol=1e-9)


@pytest.mark.parametrize("output", ["uniform", "normal"])
def test_quantiles_of_a_rotation_hold_every_training_row(output):
    """scikit-learn takes the quantiles of components that it rounds in another way than they come back."""
    X = np.random.default_rng(0).gamma(3.0, 2.0, (400, 3))
    X = np.c_[X, np.round(X.sum(axis=1), 2)]
    quantiles = QuantileTransformer(n_quantiles=50, output_distribution=output)
    density = TransformedDensity(Normal(), make_pipeline(PCA(), quantiles)).fit(X)
    assert np.isfinite(density.score_samples(X)).all()


def test_a_rotation_has_determinant_one():
    X = np.random.default_rng(0).normal(size=(300, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    assert_allclose(TransformedDensity(Normal(), PCA()).fit(X).map_.log_det(X), 0.0, atol=1e-13)


# --- the reason for all this ------------------------------------------------------------------------------------------

SCALERS = [StandardScaler(), RobustScaler(), MinMaxScaler((0, 1e-3)), MaxAbsScaler()]


def test_a_search_over_scalers_is_blind_to_units():
    search = GridSearchCV(TransformedDensity(Normal(), StandardScaler()), {"transformer": SCALERS}, cv=3).fit(table())
    scores = search.cv_results_["mean_test_score"]
    assert_allclose(scores, scores[0], rtol=1e-9)


def test_a_plain_pipeline_picks_the_smallest_unit():
    """The artefact that TransformedDensity cures; where it disappears, so does half the reason for the class."""
    search = GridSearchCV(make_pipeline(StandardScaler(), Normal()), {"standardscaler": SCALERS}, cv=3).fit(table())
    assert isinstance(search.best_params_["standardscaler"], MinMaxScaler)


def test_a_search_over_transformers_finds_the_lognormal():
    X = np.exp(np.random.default_rng(12).normal(size=(400, 2)) @ [[1.0, 0.4], [0.0, 0.6]])
    grid = {"transformer": ["passthrough", StandardScaler(), PowerTransformer(), logarithm()]}
    search = GridSearchCV(TransformedDensity(Normal(), StandardScaler()), grid, cv=4).fit(X)
    assert isinstance(search.best_params_["transformer"], BijectiveTransformer)


def test_a_search_over_nested_parameters_sees_the_bandwidth_relative_to_the_scale():
    grid = {"density__bandwidth": [0.05, 0.5], "transformer__feature_range": [(0, 1), (0, 10)]}
    search = GridSearchCV(TransformedDensity(KernelDensity(), MinMaxScaler()), grid, cv=4).fit(table())
    wide, narrowest, widest, wide_again = search.cv_results_["mean_test_score"]
    assert_allclose(wide, wide_again, rtol=1e-9)
    assert len({wide, narrowest, widest}) == 3


# --- scikit-learn's densities, supports and streams -------------------------------------------------------------------


@parametrize_with_checks(
    [
        TransformedDensity(density, StandardScaler())
        for density in (KernelDensity(), GaussianMixture(init_params="random_from_data"))
    ]
)
@pytest.mark.filterwarnings("ignore:density=GaussianMixture.* does not accept sample_weight:UserWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("density", [KernelDensity(bandwidth=0.3), GaussianMixture(2, random_state=0)])
def test_scikit_learns_densities_score_and_sample(density):
    X = table()
    transformed = TransformedDensity(density, StandardScaler()).fit(X)
    direct = transformed.density_.score_samples(StandardScaler().fit_transform(X)) - np.log(X.std(axis=0)).sum()
    assert_allclose(transformed.score_samples(X), direct)
    everyones = check_random_state(None)
    before = everyones.get_state()[1].copy()
    samples = transformed.sample(2_000, random_state=0)
    assert_array_equal(everyones.get_state()[1], before)
    assert samples.shape == (2_000, 2)
    assert_allclose(samples.mean(axis=0), X.mean(axis=0), atol=5.0 * (1.1 * X.std(axis=0)).max() / np.sqrt(300))
    assert not hasattr(transformed, "grad_log_density")
    assert not hasattr(transformed, "curvature")
    assert not hasattr(transformed, "hyvarinen_score")


def test_methods_of_the_density_are_offered_before_fit():
    assert hasattr(TransformedDensity(Normal(), None), "grad_log_density")
    assert not hasattr(TransformedDensity(KernelDensity(), None), "grad_log_density")


@pytest.mark.parametrize("density", [Normal(), GaussianMixture(random_state=3)])
def test_sample_continues_a_stream_that_fit_starts(density):
    transformed = TransformedDensity(density, StandardScaler()).fit(table())
    first, second = transformed.sample(5), transformed.sample(5)
    assert not np.array_equal(first, second)
    assert_array_equal(transformed.fit(table()).sample(5), first)
    assert_array_equal(transformed.sample(5, random_state=1), transformed.sample(5, random_state=1))
    state = np.random.RandomState(2)
    assert not np.array_equal(transformed.sample(5, random_state=state), transformed.sample(5, random_state=state))


@pytest.mark.parametrize(
    ("transformer", "outside"),
    [
        (PowerTransformer("box-cox"), [[-1.0, 100.0], [1.0, 0.0]]),
        (QuantileTransformer(n_quantiles=8), [[1e3, 100.0], [1.0, -5.0]]),
        (make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=8)), [[1e3, 100.0], [1.0, -5.0]]),
        (make_pipeline(logarithm(), StandardScaler()), [[-1.0, 100.0], [0.0, 0.0]]),
    ],
)
def test_density_is_zero_outside_the_support(transformer, outside):
    density = TransformedDensity(Normal(), transformer).fit(table())
    rows = np.concatenate([outside, table(5)[:1] * 0.0 + table().mean(axis=0)])
    log_density = density.score_samples(rows)
    assert_array_equal(np.isfinite(log_density), [False, False, True])
    assert_array_equal(log_density[:2], -np.inf)
    assert_array_equal(density.score_samples(outside), -np.inf)
    assert_array_equal(np.isnan(density.grad_log_density(rows)).all(axis=1), [True, True, False])
    assert_array_equal(np.isnan(density.hyvarinen_score(rows)), [True, True, False])
    assert density.score(rows) == -np.inf
    assert np.isfinite(density.score(rows, sample_weight=[0.0, 0.0, 1.0]))


@pytest.mark.parametrize("output", ["uniform", "normal"])
def test_every_training_row_has_a_finite_density_under_quantiles(output):
    X = table()
    density = TransformedDensity(Normal(), QuantileTransformer(n_quantiles=300, output_distribution=output)).fit(X)
    edges = np.concatenate([X[X.argmin(axis=0)], X[X.argmax(axis=0)]])
    for rows in (X, edges):
        assert np.isfinite(density.score_samples(rows)).all()
        assert np.isfinite(density.grad_log_density(rows)).all()
    ordinary = np.quantile(np.abs(density.score_samples(X)), 0.95)
    assert np.abs(density.score_samples(edges)).max() < 3.0 * ordinary


def test_quantiles_of_a_subsample_leave_the_other_rows_outside():
    X = table()
    transformer = QuantileTransformer(n_quantiles=10, subsample=50, random_state=0)
    density = TransformedDensity(Normal(), transformer).fit(X)
    quantiles = density.transformer_.quantiles_
    within = ((X >= quantiles[0]) & (X <= quantiles[-1])).all(axis=1)
    assert 0 < within.sum() < len(X)
    assert_array_equal(np.isfinite(density.score_samples(X)), within)


# --- the door ---------------------------------------------------------------------------------------------------------


def test_names_within_a_pipeline_that_passes_frames_on():
    X = table()
    named = pd.DataFrame(X, columns=["mass", "length"])
    columns = ColumnTransformer(
        [("power", PowerTransformer("box-cox", standardize=False), ["length"])], remainder="passthrough"
    )
    pipeline = make_pipeline(MinMaxScaler((1, 2)), columns).set_output(transform="pandas")
    density = TransformedDensity(Normal(), pipeline).fit(named)
    assert_allclose(density.map_.forward(X), density.transformer_.transform(named), rtol=1e-9)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_reach_a_column_transformer_by_name(frame):
    X = table()
    named = frame({"mass": X[:, 0], "length": X[:, 1]})
    columns = ColumnTransformer([("log", logarithm(), ["length"])], remainder=StandardScaler())
    density = TransformedDensity(Normal(), columns).fit(named, sample_weight=np.ones(len(X)))
    by_position = ColumnTransformer([("log", logarithm(), [1])], remainder=StandardScaler())
    expected = TransformedDensity(Normal(), by_position).fit(X)
    assert list(density.feature_names_in_) == ["mass", "length"]
    assert_allclose(density.score_samples(named), expected.score_samples(X))
    with pytest.raises(ValueError, match="feature names should match"):
        density.score_samples(frame({"length": X[:, 1], "mass": X[:, 0]}))


def mixed(n=60):
    """A frame with numbers of every kind that pandas knows, and its rows as floats."""
    rng = np.random.default_rng(0)
    counts, likes = rng.poisson(3.0, n), rng.random(n) < 0.4
    frame = pd.DataFrame(
        {
            "mass": rng.gamma(3.0, size=n),
            "length": rng.gamma(3.0, size=n).astype(np.float32),
            "visits": pd.array(counts, dtype="Int64"),
            "likes": likes,
            "knows": pd.array(~likes & (counts > 2), dtype="boolean"),
            "size": rng.integers(1, 4, n).astype(object),
            "shelf": pd.Categorical(rng.integers(1, 9, n)),
        },
        index=np.arange(n) + 7,
    )
    return frame, np.column_stack([frame[name].to_numpy(dtype=np.float64) for name in frame])


def select(dtype):
    return make_column_selector(dtype_include=dtype)


BY_NAME_OR_TYPE = {
    "names": [("log", logarithm(), ["mass"]), ("scaled", StandardScaler(), ["length", "visits", "size"])],
    "types": [("scaled", StandardScaler(), select("number")), ("codes", MinMaxScaler(), select(["category", "bool"]))],
    "pattern": [("rotated", PCA(), make_column_selector(pattern="^[lmv]"))],
}


@pytest.mark.parametrize("name", BY_NAME_OR_TYPE)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_frame_of_any_numbers_reaches_its_transformer_as_it_is(name, weighted):
    frame, X = mixed()
    weight = np.arange(60) % 3 if weighted else None
    columns = ColumnTransformer(BY_NAME_OR_TYPE[name], remainder="passthrough")
    density = TransformedDensity(Normal(), make_pipeline(columns, StandardScaler())).fit(frame, sample_weight=weight)
    expected = TransformedDensity(Normal(), StandardScaler()).fit(X, sample_weight=weight)
    assert list(density.feature_names_in_) == list(frame)
    if name != "names":  # whose logarithm makes another density
        assert_allclose(density.score_samples(frame), expected.score_samples(X), rtol=1e-9)
    assert_allclose(density.map_.forward(X), density.transformer_.transform(frame).astype(float), rtol=1e-9, atol=1e-12)
    assert density.sample(3, random_state=0).shape == (3, 7)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("transformer", [StandardScaler(), OrdinalEncoder(), "by name"], ids=str)
def test_columns_that_hold_no_numbers_are_named(frame, transformer):
    X = table(20)
    numbers = {"mass": X[:, 0], "length": X[:, 1], "likes": X[:, 0] > 1.0}
    others = {"town": ["Bonn", "Köln"] * 10, "day": np.arange(20).astype("datetime64[D]").astype("datetime64[us]")}
    if transformer == "by name":
        transformer = ColumnTransformer([("scaled", StandardScaler(), ["mass", "length", "likes"])])
    message = r"hold no numbers, \['town', 'day'\].*Drop them from X, also where transformer leaves them out"
    with pytest.raises(ValueError, match=message) as refusal:
        TransformedDensity(Normal(), transformer).fit(frame({**numbers, **others}))
    assert refusal.value.__suppress_context__
    fitted = TransformedDensity(Normal(), StandardScaler()).fit(frame(numbers))
    with pytest.raises(ValueError, match=r"hold no numbers, \['likes'\]"):
        fitted.score_samples(frame({**numbers, "likes": ["yes", "no"] * 10}))


def test_missing_cells_are_refused_as_such():
    frame = pd.DataFrame({"mass": pd.array([1, None, 3], dtype="Int64"), "length": [1.0, 2.0, 4.0]})
    with pytest.raises(ValueError, match="contains NaN"):
        TransformedDensity(Normal(), make_pipeline(SimpleImputer(), StandardScaler())).fit(frame)


@pytest.mark.parametrize("frame", [np.asarray, pd.DataFrame, pl.DataFrame], ids=["array", "pandas", "polars"])
def test_float32_is_computed_in_float64(frame):
    X = table().astype(np.float32)
    expected = TransformedDensity(Normal(), StandardScaler()).fit(X.astype(np.float64)).score_samples(X)
    density = TransformedDensity(Normal(), StandardScaler()).fit(frame(X))
    assert density.score_samples(frame(X)).dtype == density.grad_log_density(frame(X)).dtype == np.float64
    assert_allclose(density.score_samples(frame(X)), expected, rtol=1e-13)


def test_an_offset_of_1e8_costs_few_digits():
    X, rows = table(), table(20, seed=13)
    near = TransformedDensity(Normal(), StandardScaler()).fit(X).score_samples(rows)
    far = TransformedDensity(Normal(), StandardScaler()).fit(X + 1e8).score_samples(rows + 1e8)
    assert_allclose(far, near, atol=1e-5)


def test_fit_leaves_its_parameters_alone_and_pickles():
    density, transformer = Normal(), StandardScaler()
    transformed = TransformedDensity(density, transformer).fit(table())
    assert not hasattr(density, "mean_")
    assert not hasattr(transformer, "mean_")
    again = pickle.loads(pickle.dumps(transformed))
    assert_array_equal(again.score_samples(table()), transformed.score_samples(table()))
    assert_array_equal(again.sample(3), transformed.sample(3))


def test_tags_follow_the_density():
    class Noisy(Normal):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.non_deterministic = True
            return tags

    assert get_tags(TransformedDensity(Noisy(), None)).non_deterministic
    assert not get_tags(TransformedDensity(Normal(), None)).non_deterministic
    assert get_tags(TransformedDensity(Normal(), None)).estimator_type == "density_estimator"


def fit(transformer=None, density=None, X=None, **arguments):
    return TransformedDensity(density or Normal(), transformer or StandardScaler()).fit(
        table() if X is None else X, **arguments
    )


ERRORS = {
    "nan": (lambda: fit(X=[[1.0], [np.nan]]), "contains NaN"),
    "nan later": (lambda: fit().score_samples([[1.0, np.inf]]), "contains infinity"),
    "width": (lambda: fit().score_samples([[1.0]]), "X has 1 features, but TransformedDensity is expecting 2"),
    "density": (lambda: fit(density=StandardScaler()), "needs fit and score_samples"),
    "transformer": (lambda: fit(PolynomialFeatures()), "PolynomialFeatures.*no known Jacobian"),
    "pca": (lambda: fit(PCA(n_components=1)), "keeps 1 of 2 dimensions"),
    "fewer rows than columns": (lambda: fit(PCA(), X=np.eye(3)[:2]), "more rows than columns"),
    "infinite image": (
        lambda: fit(Unchecked(reciprocal, reciprocal, [lambda x: -1.0 / x**2]), X=[[0.0], [1.0]]),
        "maps 1 training rows",
    ),
    "negative weight": (lambda: fit(sample_weight=-np.ones(300)), "Negative values"),
    "zero weight": (lambda: fit(sample_weight=np.zeros(300)), "zero"),
    "direction": (lambda: fit().curvature(table(), [1.0, 2.0, 3.0]), r"V has shape \(3,\)"),
    "n_samples": (lambda: fit().sample(0), "n_samples=0"),
    "no sampler": (
        lambda: fit(QuantileTransformer(n_quantiles=8), KernelDensity(kernel="cosine")).score(table()),
        "cannot be sampled, so its mass within",
    ),
    "no mass": (lambda: fit(root(), Misplaced()).score(table()), "leaves no mass in the image"),
}


@np.errstate(divide="ignore")
def reciprocal(x):
    return 1.0 / x


class Unchecked(BijectiveTransformer):
    """Does not look at its training rows."""

    def fit(self, X, y=None):
        return self


class Misplaced(Normal):
    """A density whose samples miss every square root."""

    def sample(self, n_samples=1, random_state=None):
        return -np.ones((n_samples, len(self.mean_)))


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_parameter_and_the_remedy(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_density_without_weights_warns():
    with pytest.warns(UserWarning, match="does not accept sample_weight"):
        fit(density=GaussianMixture(), sample_weight=np.arange(300.0))
    fit(density=GaussianMixture(), sample_weight=np.full(300, 2.0))
