"""Robust fits at the door: outliers, the truth within its errors, weights, and what is refused."""

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore.domains import MinPower
from skscore.models import Gaussian, GaussianBase, Kernel, Polynomial, TruncatedGaussian

PRECISION = np.array([[1.0, 0.4], [0.4, 1.5]])
MEAN = np.array([1.0, -0.5])


def density(model="gaussian", robust=0.3, **parameters):
    return ScoreMatchingDensity(model, robust=robust, **parameters)


def gaussian_rows(rng, n):
    return rng.multivariate_normal(MEAN, np.linalg.inv(PRECISION), n)


def positive_rows(rng, n):
    Z = rng.multivariate_normal(MEAN, np.linalg.inv(PRECISION), 10 * n)
    return Z[(Z > 0.0).all(axis=1)][:n]


@pytest.mark.parametrize("objective", ["implicit", "sliced"])
@pytest.mark.parametrize("model", ["gaussian", "pairwise", "polynomial"])
def test_without_a_power_it_is_the_plain_fit(model, objective, rng):
    X, weight = gaussian_rows(rng, 100), rng.uniform(size=100)
    plain = ScoreMatchingDensity(model, objective=objective).fit(X, sample_weight=weight)
    own = density(model, robust=0.0, objective=objective).fit(X, sample_weight=weight)
    np.testing.assert_allclose(own.score_samples(X), plain.score_samples(X), rtol=1e-8)
    assert own.objective_ == pytest.approx(plain.objective_, rel=1e-10)


@pytest.mark.parametrize("name", ["gaussian", "pairwise", "truncated_gaussian"])
def test_five_percent_of_gross_outliers_hardly_move_it(name, rng):
    """The plain fit is far from that of the clean rows, the robust one within its standard errors."""
    clean = (positive_rows if name == "truncated_gaussian" else gaussian_rows)(rng, 950)
    mixed = np.vstack([clean, rng.uniform(20.0, 30.0, (50, 2))])
    wanted = ScoreMatchingDensity(name, inference=True).fit(clean)
    errors = wanted.standard_errors_[:3]
    plain, robust = (
        np.abs(density(name, robust=c).fit(mixed).precision_ - wanted.precision_)[np.triu_indices(2)]
        for c in (None, 0.3)
    )
    assert plain.max() > 5.0 * errors.max()
    assert (robust < 1.5 * errors).all()
    assert density(name).fit(mixed).score(clean) > wanted.score(clean) - 0.01


@pytest.mark.parametrize(
    ("model", "far"), [("gaussian", 1e90), ("pairwise", 1e6), (Polynomial(2, base=None), 1e90)], ids=str
)
def test_a_row_out_of_this_world_is_not_there(model, far, rng):
    clean = gaussian_rows(rng, 300)
    mixed = np.vstack([clean, [[far, -far]]])
    scores = [density(model).fit(X).score_samples(clean) for X in (clean, mixed)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-5)


def test_it_finds_the_truth_as_well_as_its_variance_allows(rng):
    """200 tables: the mean error is within 4 of its standard errors; and efficiency falls slowly with c."""
    spread = {}
    for c in (0.0, 0.1, 0.5):
        found = np.array([density(robust=c).fit(X).precision_ for X in tables(np.random.default_rng(5), 200)])
        spread[c] = found.std(axis=0)
        bias = found.mean(axis=0) - PRECISION * 501 / 500  # nearly E of the inverse of a covariance of 500 rows
        assert (np.abs(bias) < 4.0 * spread[c] / np.sqrt(200) + 0.01).all(), c
    assert (spread[0.1] < 1.05 * spread[0.0]).all()
    assert (spread[0.5] > 1.05 * spread[0.0]).all()


def tables(rng, k):
    return np.array_split(gaussian_rows(rng, 500 * k), k)


def test_a_truncated_gaussian_finds_the_truth(rng):
    X = positive_rows(rng, 40_000)
    model = TruncatedGaussian(weight=MinPower(1.0, 1.0))
    errors = ScoreMatchingDensity(model, inference=True).fit(X).standard_errors_
    theta = density(model, robust=0.2).fit(X).theta_
    truth = np.concatenate([PRECISION[np.triu_indices(2)], PRECISION @ MEAN])
    assert (np.abs(theta - truth) < 4.0 * errors).all()


def test_a_weight_is_a_repetition_and_zero_is_absence(rng):
    X, times = gaussian_rows(rng, 60), rng.integers(0, 3, 60)
    weighted = density("pairwise").fit(X, sample_weight=times)
    repeated = density("pairwise").fit(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(weighted.theta_, repeated.theta_, rtol=1e-7)
    assert weighted.statistics_.moments.n == pytest.approx(times.sum())


def test_units_do_not_matter(rng):
    X, scale = gaussian_rows(rng, 100), np.array([1e-3, 1e3])
    near, far = density().fit(X), density().fit(X * scale)
    np.testing.assert_allclose(far.precision_ * np.outer(scale, scale), near.precision_, rtol=1e-7)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"objective": "explicit"}, "objective='explicit'"),
        ({"objective": "denoising"}, "objective='denoising'"),
        ({"inference": True}, "bootstrap"),
        ({"model": Kernel(5, bandwidth=1.0, base_scale=1.0)}, "closed form"),
        ({"model": Kernel(5, n_components=2, bandwidth=1.0, base_scale=1.0)}, "closed form"),
        ({"model": Polynomial(2, base=GaussianBase())}, "closed form"),
        ({"model": "pairwise", "robust": 300.0}, "Lower robust"),
        ({"robust": -1.0}, "robust"),
    ],
)
def test_what_it_is_not_for_is_told(parameters, match, rng):
    X = gaussian_rows(rng, 60)
    with pytest.raises(ValueError, match=match):
        density(**{"model": Gaussian(), **parameters}).fit(X, -X)


def test_further_rows_are_refused(rng):
    X = gaussian_rows(rng, 60)
    first = density().partial_fit(X)
    with pytest.raises(ValueError, match="all rows at once"):
        first.partial_fit(X)
