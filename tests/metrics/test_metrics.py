"""Metrics against closed forms, against each other, and inside scikit-learn's searches."""

import pickle
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, cross_validate
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore.metrics import (
    classifier_two_sample_auc,
    energy_distance,
    fisher_divergence,
    hyvarinen_score,
    hyvarinen_scorer,
    log_likelihood_scorer,
    sliced_score,
    two_samples,
)

PRECISION = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
MEAN = np.array([1.0, -2.0, 0.5])


@dataclass(frozen=True)
class Gaussian:
    """N(μ, A⁻¹)."""

    mean: np.ndarray
    precision: np.ndarray

    def score(self, X):
        return -(X - self.mean) @ self.precision

    def divergence(self, X):
        return np.full(len(X), -np.trace(self.precision))

    def sample(self, n, rng):
        return rng.multivariate_normal(self.mean, np.linalg.inv(self.precision), n)

    @property
    def expected(self):
        return -0.5 * np.trace(self.precision)

    def moment_rows(self):
        """2d rows whose mean and covariance are exactly those of the density."""
        d = len(self.mean)
        corners = np.sqrt(d) * np.vstack([np.eye(d), -np.eye(d)])
        return self.mean + corners @ np.linalg.cholesky(np.linalg.inv(self.precision)).T


@dataclass(frozen=True)
class Gumbel:
    """Independent Gumbel coordinates: skew, with a score that is far from affine. exp(−z) is a standard exponential."""

    location: np.ndarray
    scale: np.ndarray

    def _exponential(self, X):
        return np.exp(-(X - self.location) / self.scale)

    def score(self, X):
        return (self._exponential(X) - 1) / self.scale

    def divergence(self, X):
        return -(self._exponential(X) / self.scale**2).sum(axis=1)

    def sample(self, n, rng):
        return rng.gumbel(self.location, self.scale, (n, len(self.scale)))

    @property
    def expected(self):
        return -0.5 * (self.scale**-2.0).sum()


GAUSSIAN = Gaussian(MEAN, PRECISION)
OTHER = Gaussian(np.array([0.0, -1.0, 1.0]), np.diag([1.0, 0.5, 2.0]))
GUMBEL = Gumbel(np.array([0.0, 3.0, -1.0]), np.array([1.0, 0.5, 2.0]))
DENSITIES = [pytest.param(GAUSSIAN, id="gaussian"), pytest.param(GUMBEL, id="gumbel")]


class GaussianDensity(BaseEstimator):
    """Axis-aligned Gaussian whose fitted variances are multiplied by `inflation`: the best is 1."""

    def __init__(self, inflation=1.0):
        self.inflation = inflation

    def fit(self, X, y=None):
        self.location_, self.train_variance_ = X.mean(axis=0), X.var(axis=0)
        self.variance_ = self.inflation * self.train_variance_
        return self

    def grad_log_density(self, X):
        return -(X - self.location_) / self.variance_

    def score_samples(self, X):
        return stats.norm.logpdf(X, self.location_, np.sqrt(self.variance_)).sum(axis=1)

    def hyvarinen_score(self, X, standardize=False):
        weight = self.train_variance_ if standardize else np.ones_like(self.variance_)
        return (0.5 * self.grad_log_density(X) ** 2 - 1 / self.variance_) @ weight


def assert_mean(values, expected, n_sd=4.0):
    """The mean of independent replicates meets its expectation within `n_sd` of their standard error."""
    assert abs(np.mean(values) - expected) < n_sd * np.std(values, ddof=1) / np.sqrt(len(values))


# Scores


def test_hyvarinen_score_of_a_gaussian_is_minus_half_the_trace():
    X = GAUSSIAN.moment_rows()
    assert hyvarinen_score(GAUSSIAN.score, X, divergence=GAUSSIAN.divergence) == pytest.approx(-1.75, rel=1e-12)
    assert hyvarinen_score(GAUSSIAN.score, X) == pytest.approx(-1.75, rel=1e-9)


@pytest.mark.parametrize("density", DENSITIES)
def test_hyvarinen_score_of_the_true_score_is_minus_half_its_energy(density):
    rng = np.random.default_rng(0)
    values = [
        hyvarinen_score(density.score, density.sample(2000, rng), divergence=density.divergence) for _ in range(50)
    ]
    assert_mean(values, density.expected)


@pytest.mark.parametrize("density", DENSITIES)
def test_true_score_beats_its_opposite(density):
    X = density.sample(2000, np.random.default_rng(1))
    assert hyvarinen_score(density.score, X) < 0 < hyvarinen_score(lambda X: -density.score(X), X)


@pytest.mark.parametrize("location", [0.0, 1e8])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e8])
def test_difference_divergence_is_the_exact_one_in_any_unit(location, scale):
    density = Gumbel(np.full(2, location), scale * np.array([1.0, 3.0]))
    X = density.sample(300, np.random.default_rng(2))
    exact = hyvarinen_score(density.score, X, divergence=density.divergence)
    tolerance = 1e-7 if scale >= 1 or location == 0 else 1e-4  # at 1e8 ± 1e-3 a column holds 17 bits
    assert hyvarinen_score(density.score, X) == pytest.approx(exact, rel=tolerance)


def test_difference_divergence_in_columns_of_unlike_units():
    density = Gumbel(np.array([1e8, 0.0, -5.0]), np.array([1.0, 1e-4, 1e4]))
    X = density.sample(300, np.random.default_rng(3))
    exact = hyvarinen_score(density.score, X, divergence=density.divergence)
    assert hyvarinen_score(density.score, X) == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize(
    "X",
    [[[5.0, 0.0]], [[5.0, 1.0], [5.0, 2.0]], [[0.0, 0.1], [0.0, 0.1], [0.0, 0.1]], [[0, 0], [0, 0], [0, 0], [1, 1]]],
    ids=["one row", "constant column", "constant rows", "ties"],
)
def test_difference_divergence_where_a_column_has_no_spread(X):
    exact = 0.5 * np.mean(np.sum(np.square(X), axis=1)) - 2
    assert hyvarinen_score(lambda X: -X, X) == pytest.approx(exact, rel=1e-8)


def test_difference_divergence_of_a_column_near_its_last_digits():
    X = 1e8 + 1e-6 * np.arange(20.0)[:, None]  # neighbouring floats are 1.5e-8 apart
    assert hyvarinen_score(lambda X: 1e8 - X, X) == pytest.approx(-1, rel=1e-8)


def test_difference_divergence_streams():
    shapes = []

    def score(X):
        shapes.append(X.shape)
        return -X

    hyvarinen_score(score, np.ones((7, 4)))
    assert shapes == [(7, 4)] * (1 + 2 * 4)


def test_fisher_divergence_of_two_gaussians():
    difference, shift = GAUSSIAN.precision - OTHER.precision, OTHER.precision @ (OTHER.mean - GAUSSIAN.mean)
    formula = 0.5 * (np.trace(difference @ np.linalg.inv(GAUSSIAN.precision) @ difference) + shift @ shift)
    assert fisher_divergence(GAUSSIAN.score, OTHER.score, GAUSSIAN.moment_rows()) == pytest.approx(formula, rel=1e-12)


def test_fisher_divergence_takes_callables_and_arrays():
    X = GAUSSIAN.sample(20, np.random.default_rng(4))
    values = {
        fisher_divergence(a, b, X)
        for a in (GAUSSIAN.score, GAUSSIAN.score(X))
        for b in (OTHER.score, OTHER.score(X).tolist())
    }
    assert len(values) == 1


@pytest.mark.parametrize("density", DENSITIES)
def test_fisher_divergence_is_the_gap_in_hyvarinen_score(density):
    def gap(X):
        true = hyvarinen_score(density.score, X, divergence=density.divergence)
        model = hyvarinen_score(OTHER.score, X, divergence=OTHER.divergence)
        return model - true - fisher_divergence(density.score, OTHER.score, X)

    rng = np.random.default_rng(5)
    assert_mean([gap(density.sample(2000, rng)) for _ in range(50)], 0.0)


# Sliced

SLICES = [(name, reduced) for name in ("rademacher", "gaussian") for reduced in (True, False)]


@pytest.mark.parametrize(("distribution", "variance_reduced"), SLICES)
@pytest.mark.parametrize("density", DENSITIES)
def test_sliced_score_averages_to_the_exact_one(density, distribution, variance_reduced):
    rng = np.random.default_rng(6)
    X = density.sample(200, rng)
    values = [
        sliced_score(density.score, X, distribution=distribution, variance_reduced=variance_reduced, random_state=rng)
        for _ in range(100)
    ]
    exact = hyvarinen_score(density.score, X)
    if np.ptp(values) < 1e-6:  # signs along a diagonal ∇s: no chance at all
        assert density is GUMBEL
        assert distribution == "rademacher"
        assert variance_reduced
        assert values == pytest.approx([exact] * len(values), rel=1e-7)
    else:
        assert_mean(values, exact)


@pytest.mark.parametrize(("distribution", "variance_reduced"), SLICES)
@pytest.mark.parametrize("n_projections", [1, 8])
def test_sliced_score_has_the_variance_of_its_directions(distribution, variance_reduced, n_projections):
    """Each row is vᵀMv, of variance 2 Σ M_ij² (for signs over i ≠ j only), with M = ∇s, or ½ ssᵀ + ∇s unreduced."""
    X = GAUSSIAN.sample(50, np.random.default_rng(7))
    choice = {"distribution": distribution, "variance_reduced": variance_reduced, "n_projections": n_projections}
    rng = np.random.default_rng(8)
    values = [sliced_score(GAUSSIAN.score, X, random_state=rng, **choice) for _ in range(400)]
    s = GAUSSIAN.score(X)
    M = 0.5 * (not variance_reduced) * s[:, :, None] * s[:, None, :] - PRECISION
    if distribution == "rademacher":
        M[:, range(3), range(3)] = 0
    variance = 2 * np.square(M).sum() / (len(X) ** 2 * n_projections)
    assert np.var(values) == pytest.approx(variance, rel=4 * np.sqrt(2 / len(values)))


@pytest.mark.parametrize("density", DENSITIES)
def test_reduced_form_has_the_lower_variance(density):
    X = density.sample(50, np.random.default_rng(9))
    reduced, full = (
        np.var([sliced_score(density.score, X, variance_reduced=choice, random_state=seed) for seed in range(100)])
        for choice in (True, False)
    )
    assert 1.5 * reduced < full


def test_sliced_score_repeats_with_its_seed():
    X = GAUSSIAN.sample(20, np.random.default_rng(10))
    first, again, other = (sliced_score(GAUSSIAN.score, X, random_state=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert first == sliced_score(GAUSSIAN.score, X, random_state=np.random.default_rng(0))
    fresh = [sliced_score(GAUSSIAN.score, X, distribution="gaussian") for _ in range(2)]  # signs alone may coincide
    assert fresh[0] != fresh[1]


# Two samples


def test_energy_distance_is_the_square_of_scipys():
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=70), rng.gumbel(size=110)
    assert energy_distance(x[:, None], y[:, None]) == pytest.approx(stats.energy_distance(x, y) ** 2, rel=1e-10)


def test_energy_distance_of_equal_samples_is_zero_and_grows_with_a_shift():
    X = GUMBEL.sample(60, np.random.default_rng(12))
    assert energy_distance(X, X.copy()) == 0
    assert 0 < energy_distance(X, X + 0.1) < energy_distance(X, X + 1.0) < energy_distance(X, X + 10.0)


def test_energy_distance_is_symmetric_and_counts_repeated_rows():
    rng = np.random.default_rng(13)
    X, Y = GAUSSIAN.sample(30, rng), GUMBEL.sample(50, rng)
    assert energy_distance(X, Y) == pytest.approx(energy_distance(Y, X), rel=1e-12)
    assert energy_distance(X, np.repeat(X, 3, axis=0)) == pytest.approx(0, abs=1e-12)


def test_energy_distance_far_from_the_origin():
    rng = np.random.default_rng(14)
    X, Y = rng.integers(-9, 9, (40, 3)), rng.integers(-5, 15, (60, 3))
    assert energy_distance(X + 1e8, Y + 1e8) == pytest.approx(energy_distance(X, Y), rel=1e-12)


def test_energy_distance_does_not_depend_on_its_blocks(monkeypatch):
    rng = np.random.default_rng(15)
    X, Y = GAUSSIAN.sample(101, rng), GUMBEL.sample(57, rng)
    whole = energy_distance(X, Y)
    for block in (1, 500):
        monkeypatch.setattr(two_samples, "_BLOCK", block)
        assert energy_distance(X, Y) == pytest.approx(whole, rel=1e-12)


def test_energy_distance_never_holds_all_pairs(monkeypatch):
    monkeypatch.setattr(two_samples, "_BLOCK", 2**16)
    X = np.random.default_rng(16).normal(size=(3000, 2))
    tracemalloc.start()
    energy_distance(X, X + 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(X) ** 2 / 20


def test_auc_of_one_distribution_is_near_one_half():
    rng = np.random.default_rng(17)
    X, Y = GUMBEL.sample(400, rng), GUMBEL.sample(500, rng)
    sd = np.sqrt((400 + 500 + 1) / (12 * 400 * 500))  # of the Mann-Whitney statistic under one distribution
    assert abs(classifier_two_sample_auc(X, Y, random_state=0) - 0.5) < 4 * sd


@pytest.mark.parametrize("difference", ["shift", "spread"])
def test_auc_of_unlike_distributions_is_high(difference):
    rng = np.random.default_rng(18)
    X, Y = rng.normal(size=(2, 300, 3))
    assert classifier_two_sample_auc(X, {"shift": Y + 2, "spread": 8 * Y}[difference], random_state=0) > 0.9


@pytest.mark.parametrize("cv", [3, StratifiedKFold(4)])
def test_auc_of_two_shifted_normals_is_the_normal_tail(cv):
    rng = np.random.default_rng(19)
    X, Y = rng.normal(size=(2, 1000, 1)) + np.array([0.0, 1.0])[:, None, None]
    auc = classifier_two_sample_auc(X, Y, classifier=LogisticRegression(), cv=cv, random_state=0)
    expected = stats.norm.cdf(1 / np.sqrt(2))
    sd = np.sqrt(expected * (1 - expected) / 1000)  # bounds that of the statistic at equal sample sizes
    assert abs(auc - expected) < 4 * sd


@pytest.mark.parametrize(
    "n", [100, 10_100]
)  # beyond 10,000 training rows the default classifier draws a validation set
def test_auc_repeats_with_its_seed(n):
    X, Y = np.random.default_rng(20).normal(size=(2, n, 1))
    first, again, other = (classifier_two_sample_auc(X, Y, cv=2, random_state=seed) for seed in (0, 0, 1))
    assert first == again != other


# Scorers


def test_log_likelihood_scorer_is_the_mean_that_libraries_report():
    rng = np.random.default_rng(21)
    X, held_out = GUMBEL.sample(100, rng), GUMBEL.sample(40, rng)
    mixture = GaussianMixture(2, random_state=0).fit(X)
    kernel = make_pipeline(StandardScaler(), KernelDensity()).fit(X)
    assert log_likelihood_scorer(mixture, held_out) == pytest.approx(mixture.score(held_out), rel=1e-12)
    assert log_likelihood_scorer(kernel, held_out) == pytest.approx(kernel.score(held_out) / 40, rel=1e-12)


def test_hyvarinen_scorer_is_minus_the_metric_in_standardised_units():
    rng = np.random.default_rng(22)
    X, held_out = (GAUSSIAN.sample(n, rng) * [1.0, 1e3, 1e-3] for n in (100, 40))
    density, sd = GaussianDensity(0.7).fit(X), X.std(axis=0)
    metric = hyvarinen_score(lambda Z: sd * density.grad_log_density(sd * Z), held_out / sd)
    assert hyvarinen_scorer(density, held_out) == pytest.approx(-metric, rel=1e-7)


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, hyvarinen_scorer])
def test_scorers_find_the_right_density_in_a_search(scorer):
    X = OTHER.sample(300, np.random.default_rng(23))
    search = GridSearchCV(GaussianDensity(), {"inflation": [0.1, 1.0, 10.0]}, scoring=scorer, error_score="raise").fit(
        X
    )
    assert search.best_params_ == {"inflation": 1.0}
    by_hand = cross_val_score(GaussianDensity(), X, scoring=scorer, error_score="raise")
    assert search.best_score_ == pytest.approx(by_hand.mean(), rel=1e-12)


@pytest.mark.parametrize("estimator", [KernelDensity(), make_pipeline(StandardScaler(), KernelDensity())])
def test_log_likelihood_scorer_searches_densities_of_scikit_learn(estimator):
    X = GAUSSIAN.sample(150, np.random.default_rng(24))
    parameter = next(name for name in estimator.get_params() if name.endswith("bandwidth"))
    search = GridSearchCV(estimator, {parameter: [1e-3, 0.5, 1e3]}, scoring=log_likelihood_scorer).fit(X)
    assert search.best_params_ == {parameter: 0.5}


def test_a_row_of_density_zero_scores_minus_infinity():
    density = KernelDensity(kernel="tophat").fit([[0.0], [1.0]])
    X = np.array([[0.5], [50.0]])
    assert log_likelihood_scorer(density, X) == -np.inf
    assert log_likelihood_scorer(density, X, sample_weight=[1.0, 2.0]) == -np.inf
    assert log_likelihood_scorer(density, X, sample_weight=[2.0, 0.0]) == log_likelihood_scorer(density, X[:1])


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, hyvarinen_scorer])
def test_weights_reach_a_scorer_that_requests_them(scorer):
    X, weight = GAUSSIAN.sample(60, np.random.default_rng(25)), np.arange(60)
    train, test = folds = np.split(np.arange(60), 2)

    def cross_validated(scorer):
        params = {"sample_weight": weight}
        return cross_val_score(GaussianDensity(), X, scoring=scorer, cv=[folds], params=params, error_score="raise")

    with config_context(enable_metadata_routing=True):
        fitted = GaussianDensity().fit(X[train])
        asked = scorer.set_score_request(sample_weight=True)
        assert cross_validated(asked) == scorer(fitted, X[test], sample_weight=weight[test])
        with pytest.raises((UnsetMetadataPassedError, TypeError), match="sample_weight"):  # the latter before 1.9
            cross_validated(scorer)  # which set_score_request left as it was
        for again in (pickle.loads(pickle.dumps(asked)), clone(asked, safe=False)):
            assert cross_validated(again) == cross_validated(asked)


def test_scorers_work_side_by_side():
    X, scorers = GAUSSIAN.sample(60, np.random.default_rng(26)), {"nats": log_likelihood_scorer, "J": hyvarinen_scorer}
    both = cross_validate(GaussianDensity(), X, scoring=scorers, error_score="raise")
    for name, scorer in scorers.items():
        assert_array_equal(both[f"test_{name}"], cross_val_score(GaussianDensity(), X, scoring=scorer))
    assert [repr(scorer) for scorer in scorers.values()] == ["log_likelihood_scorer", "hyvarinen_scorer"]


# Weights, input, errors

DENSITY = GaussianDensity(1.3).fit(GAUSSIAN.moment_rows())
WEIGHTED = {
    "hyvarinen_score": lambda X, **w: hyvarinen_score(GUMBEL.score, X, divergence=GUMBEL.divergence, **w),
    "hyvarinen_score by differences": lambda X, **w: hyvarinen_score(GUMBEL.score, X, **w),
    "fisher_divergence": lambda X, **w: fisher_divergence(GUMBEL.score, OTHER.score, X, **w),
    "log_likelihood_scorer": lambda X, **w: log_likelihood_scorer(DENSITY, X, **w),
    "hyvarinen_scorer": lambda X, **w: hyvarinen_scorer(DENSITY, X, **w),
}


@pytest.mark.parametrize("metric", WEIGHTED.values(), ids=WEIGHTED)
def test_weights_are_repetitions(metric):
    rng = np.random.default_rng(25)
    X, times = GUMBEL.sample(40, rng), rng.integers(0, 4, 40)
    repeated = metric(np.repeat(X, times, axis=0))
    assert metric(X, sample_weight=times) == pytest.approx(repeated, rel=1e-7)
    assert metric(X, sample_weight=0.1 * times) == pytest.approx(repeated, rel=1e-7)
    assert metric(X) != pytest.approx(repeated, rel=1e-3)


UNARY = {
    **WEIGHTED,
    "sliced_score": lambda X: sliced_score(GUMBEL.score, X, random_state=0),
    "energy_distance": lambda X: energy_distance(X, np.zeros((2, 3))),
    "classifier_two_sample_auc": lambda X: classifier_two_sample_auc(X, np.ones((20, 3)), random_state=0),
}


@pytest.mark.parametrize("metric", UNARY.values(), ids=UNARY)
def test_every_metric_returns_a_python_float_and_leaves_its_input_alone(metric):
    X = GUMBEL.sample(20, np.random.default_rng(26))
    X.flags.writeable = False
    assert type(metric(X)) is float
    assert metric(np.asfortranarray(X)) == pytest.approx(metric(X), rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("metric", [m for name, m in UNARY.items() if not name.endswith("scorer")])
def test_rows_must_be_finite(metric, bad):
    X = np.zeros((20, 3))
    X[3, 1] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        metric(X)


X2 = np.zeros((4, 2))
ERRORS = {
    "one-dimensional": (lambda: hyvarinen_score(np.negative, np.zeros(3)), "Expected 2D array"),
    "score of one column": (lambda: hyvarinen_score(lambda X: X[:, 0], X2), r"score has shape \(4,\).* \(4, 2\)"),
    "divergence of all columns": (
        lambda: hyvarinen_score(np.negative, X2, divergence=np.negative),
        r"divergence has shape \(4, 2\).* shape \(4,\)",
    ),
    "known scores of other rows": (lambda: fisher_divergence(X2[:2], np.negative, X2), "score_true has shape"),
    "known scores not finite": (lambda: fisher_divergence(np.negative, X2 + np.nan, X2), "score_model contains NaN"),
    "weights of other rows": (lambda: hyvarinen_score(np.negative, X2, sample_weight=[1.0]), "each of the 4 rows"),
    "negative weight": (
        lambda: fisher_divergence(X2, X2, X2, sample_weight=[1.0, -1.0, 1.0, 1.0]),
        r"sample_weight lies in \[-1, 1\]; give weights >= 0",
    ),
    "weights of zero": (lambda: hyvarinen_score(np.negative, X2, sample_weight=np.zeros(4)), "not all 0"),
    "distribution": (lambda: sliced_score(np.negative, X2, distribution="sphere"), "choose one of 'rademacher', 'ga"),
    "no projection": (lambda: sliced_score(np.negative, X2, n_projections=0), "n_projections=0; give an integer >= 1"),
    "part of a projection": (lambda: sliced_score(np.negative, X2, n_projections=1.5), "n_projections=1.5"),
    "widths": (lambda: energy_distance(X2, np.zeros((4, 3))), "X has 2 columns and Y has 3"),
    "widths for a classifier": (lambda: classifier_two_sample_auc(X2, np.zeros((4, 3))), "X has 2 columns and Y has 3"),
    "no log-density": (lambda: log_likelihood_scorer(LogisticRegression(), X2), "LogisticRegression has no method"),
    "pipeline": (
        lambda: hyvarinen_scorer(make_pipeline(StandardScaler(), GaussianDensity()).fit(GAUSSIAN.moment_rows()), X2),
        "Pipeline has no method hyvarinen_score; .*TransformedDensity",
    ),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_name_the_parameter_and_the_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("metric", [hyvarinen_score, sliced_score])
def test_a_score_that_must_be_moved_is_a_function(metric):
    with pytest.raises(TypeError, match="score is of type ndarray; give a function of X"):
        metric(np.zeros((4, 2)), np.zeros((4, 2)))
