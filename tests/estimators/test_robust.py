"""Robust fits at the door: outliers, the truth within its errors, the errors, weights, and what is refused."""

import warnings

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore.domains import Capped, Orthant, Power
from skscore.models import Gaussian, GaussianBase, Kernel, PairwiseInteraction, Polynomial, TruncatedGaussian

PRECISION = np.array([[1.0, 0.4], [0.4, 1.5]])
MEAN = np.array([1.0, -0.5])
TRUTH = np.concatenate([PRECISION[np.triu_indices(2)], PRECISION @ MEAN])


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


@pytest.mark.parametrize("far", [1e3, 1e8, 1e90])
@pytest.mark.parametrize("model", ["gaussian", "pairwise", "truncated_gaussian", Polynomial(2, base=None)], ids=str)
def test_a_row_out_of_this_world_is_not_there(model, far, rng):
    """Neither in the weights nor in the origin, the units and the distances to the boundary that a family works in."""
    clean = positive_rows(rng, 300)
    fits = [density(model, inference=True).fit(X) for X in (clean, np.vstack([clean, [[far, far]]]))]
    for name in ("theta_", "standard_errors_"):
        alone, beside = (getattr(fit, name) for fit in fits)
        np.testing.assert_allclose(beside, alone, atol=1e-10 * np.abs(alone).max())


def test_many_columns_with_long_tails_leave_rows_to_begin_with(rng):
    """Hardly a row of 60 exponential columns is near the median in all: the iteration begins with the nearer half."""
    X = rng.exponential(size=(1000, 60))
    plain, robust = (density("pairwise", c).fit(X).interaction_ for c in (None, 1e-3))
    np.testing.assert_allclose(robust, plain, atol=0.02 * np.abs(plain).max())


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
    model = TruncatedGaussian(weight=Capped(Power(1.0), 1.0))
    errors = ScoreMatchingDensity(model, inference=True).fit(X).standard_errors_
    theta = density(model, robust=0.2).fit(X).theta_
    assert (np.abs(theta - TRUTH) < 4.0 * errors).all()


def test_a_weight_is_a_repetition_and_zero_is_absence(rng):
    X, times = gaussian_rows(rng, 60), rng.integers(0, 3, 60)
    weighted = density("pairwise").fit(X, sample_weight=times)
    repeated = density("pairwise").fit(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(weighted.theta_, repeated.theta_, rtol=1e-7)
    assert weighted._fit.summary.moments.n == pytest.approx(times.sum())


def test_units_do_not_matter(rng):
    X, scale = gaussian_rows(rng, 100), np.array([1e-3, 1e3])
    near, far = density().fit(X), density().fit(X * scale)
    np.testing.assert_allclose(far.precision_ * np.outer(scale, scale), near.precision_, rtol=1e-7)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"objective": "explicit"}, "objective='explicit'"),
        ({"objective": "denoising"}, "objective='denoising'"),
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


def tied_rows(kind, rng):
    """Three rows in four share a value of the second column, or lie on a line."""
    X = rng.lognormal(size=(300, 2))
    tied = rng.random(300) < 0.75
    X[tied, 1] = {"zeros": 0.0, "value": 1.3, "line": 2.0 * X[tied, 0]}[kind]
    return X


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        *((kind, model) for kind in ("zeros", "value", "line") for model in ("gaussian", "pairwise", "polynomial")),
        *((kind, Polynomial(2, base=None)) for kind in ("zeros", "value", "line")),
        *((kind, Gaussian("diag")) for kind in ("zeros", "value")),
        *((kind, "truncated_gaussian") for kind in ("value", "line")),
        ("value", PairwiseInteraction(0.5, 0.5, domain=Orthant())),
    ],
    ids=str,
)
def test_ties_that_take_all_the_weight_are_refused(kind, model, rng):
    """Nothing bounds the density of tied rows from above: its powers take the weight of all others."""
    with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match=r"robust=0\.3: .* do not determine"):
        density(model).fit(tied_rows(kind, rng))


@pytest.mark.parametrize("kind", ["zeros", "value", "line"])
def test_a_ridge_bounds_the_density_of_ties(kind, rng):
    X = tied_rows(kind, rng)
    gaussian, pairwise = (density(model, alpha=0.1).fit(X).precision_ for model in ("gaussian", "pairwise"))
    np.testing.assert_allclose(gaussian, pairwise, rtol=1e-6)
    assert np.linalg.eigvalsh(gaussian).max() < 1.0 / 0.1


def test_further_rows_are_refused(rng):
    X = gaussian_rows(rng, 60)
    first = density().partial_fit(X)
    with pytest.raises(ValueError, match="all rows at once"):
        first.partial_fit(X)


# ---- standard errors -----------------------------------------------------------------------------


def with_errors(model="gaussian", robust=0.3, **parameters):
    return density(model, robust, inference=True, **parameters)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("gaussian", {}),
        ("gaussian", {"alpha": 0.3}),
        (Gaussian("spherical"), {}),
        (PairwiseInteraction(), {"objective": "sliced"}),
        (PairwiseInteraction(), {"alpha": 0.05, "l1_ratio": 0.5}),
        (TruncatedGaussian(weight=Capped(Power(1), 1)), {}),
        (PairwiseInteraction(0.5, 0.0, domain=Orthant(), weight=Capped(Power(2), 1)), {"alpha": 0.1}),
        (Polynomial(4, base=None), {"alpha": 1.0}),
    ],
    ids=repr,
)
def test_the_sandwich_is_the_infinitesimal_jackknife(model, parameters, rng):
    """Σ (w ∂θ/∂w)² over the rows' own weights: two fits a row see neither A nor M."""
    X, weight, step = positive_rows(rng, 20), rng.uniform(0.5, 2.0, 20), 1e-4
    own = with_errors(model, **parameters)
    covariance = own.fit(X, sample_weight=weight).parameter_covariance_

    def moved(factor):
        return own.fit(X, sample_weight=weight * factor).theta_.copy()

    slopes = np.array([moved(1.0 + e) - moved(1.0 - e) for e in step * np.eye(20)]) / (2.0 * step)
    np.testing.assert_allclose(20 / 19 * slopes.T @ slopes, covariance, atol=1e-6 * np.abs(covariance).max())


@pytest.mark.parametrize("model", ["gaussian", TruncatedGaussian(weight=Capped(Power(1), 1)), "polynomial"], ids=str)
def test_errors_without_a_power_are_those_of_the_plain_fit(model, rng):
    X, weight = positive_rows(rng, 200), rng.uniform(size=200)
    plain, zero, little = (with_errors(model, c).fit(X, sample_weight=weight) for c in (None, 0.0, 1e-6))
    np.testing.assert_allclose(zero.parameter_covariance_, plain.parameter_covariance_, rtol=1e-8)
    np.testing.assert_allclose(little.standard_errors_, plain.standard_errors_, rtol=1e-4)


def test_errors_of_a_gaussian_are_its_deviations_over_tables(rng):
    """200 tables: intervals cover by 3 standard errors of 95 %; deviations within 4 of theirs, 1/√400 each."""
    assert_errors_hold("gaussian", tables(rng, 200), TRUTH)


def test_errors_of_a_truncated_gaussian_are_its_deviations_over_tables(rng):
    model = TruncatedGaussian(weight=Capped(Power(1.0), 1.0))
    assert_errors_hold(model, np.array_split(positive_rows(rng, 200 * 1000), 200), TRUTH)


def test_errors_of_an_exponential_are_its_deviations_over_tables(rng):
    """exp(−Kx): the interaction of √x without a linear part."""
    model = PairwiseInteraction(0.5, 0.5, centered=True, domain=Orthant(), weight=Capped(Power(1.0), 1.0))
    assert_errors_hold(model, rng.exponential(0.5, (200, 500, 1)), [2.0])


def assert_errors_hold(model, tables, truth):
    fits = [with_errors(model).fit(X) for X in tables]
    found, errors = (np.array([getattr(fit, name) for fit in fits]) for name in ("theta_", "standard_errors_"))
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), found.std(axis=0), rtol=4.0 / np.sqrt(400))
    covered = np.abs(found - truth) < 1.96 * errors
    np.testing.assert_allclose(covered.mean(axis=0), 0.95, atol=3.0 * np.sqrt(0.05 * 0.95 / 200))


def test_intervals_cover_the_truth_beside_outliers_too(rng):
    """40 tables, one row in 20 an outlier: of 95 % by no more than 3 standard errors less, and plainly never."""
    mixed = [np.vstack([X, rng.uniform(20.0, 30.0, (25, 2))]) for X in tables(rng, 40)]
    robust, plain = (
        np.mean([np.abs(fit.theta_ - TRUTH) < 1.96 * fit.standard_errors_ for fit in fits], axis=0)
        for fits in ([with_errors(robust=c).fit(X) for X in mixed] for c in (0.3, None))
    )
    assert (robust > 0.95 - 3.0 * np.sqrt(0.05 * 0.95 / 40)).all()
    assert (plain[:3] == 0.0).all()


def test_errors_of_a_weighted_fit_are_those_of_the_rows_it_kept(rng):
    X, weight = gaussian_rows(rng, 150), rng.uniform(size=150)
    weight[:30] = 0.0
    own, scaled = (with_errors().fit(X, sample_weight=k * weight) for k in (1.0, 7.0))
    kept = with_errors().fit(X[30:], sample_weight=weight[30:])
    for other in (scaled, kept):
        np.testing.assert_allclose(other.standard_errors_, own.standard_errors_, rtol=1e-8)


def test_outliers_are_no_edges(rng):
    """Independent columns: a cluster of outliers is an edge to the plain test, and none to the robust one."""
    X = np.vstack([rng.standard_normal((500, 2)), rng.uniform(8.0, 9.0, (25, 2))])
    robust, plain = (with_errors(robust=c).fit(X).edge_tests()["p_value"].item() for c in (0.3, None))
    assert robust > 0.05
    assert plain < 1e-3
