"""Standard errors: coverage of the truth, known formulas, weights, and what is refused."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import Capped, Power
from skscore.models import (
    ExponentialFamily,
    Gaussian,
    GaussianBase,
    Kernel,
    PairwiseInteraction,
    Polynomial,
    TruncatedGaussian,
)

MEAN = np.array([1.0, 0.0, -1.0])
PRECISION = np.eye(3) + 0.3 * (np.eye(3, k=1) + np.eye(3, k=-1))
TRUTH = np.concatenate([PRECISION[np.triu_indices(3)], PRECISION @ MEAN])


def density(model="pairwise", **parameters):
    return ScoreMatchingDensity(model, inference=True, **parameters)


def gaussian_rows(rng, n):
    return rng.multivariate_normal(MEAN, np.linalg.inv(PRECISION), n)


def test_intervals_cover_the_truth(rng):
    """100 tables of 9 parameters: coverage of 95 % intervals within 3 standard errors of its own."""
    covered = []
    for _ in range(100):
        fitted = density().fit(gaussian_rows(rng, 400))
        covered.append(np.abs(fitted.theta_ - TRUTH) < 1.96 * fitted.standard_errors_)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_intervals_of_a_truncated_gaussian_cover_the_truth(rng):
    mean = np.full(3, 0.5)
    Z = rng.multivariate_normal(mean, np.linalg.inv(PRECISION), 200_000)
    Z = Z[(Z > 0).all(axis=1)]
    truth = np.concatenate([PRECISION[np.triu_indices(3)], PRECISION @ mean])
    covered = []
    for X in np.array_split(Z[:40_000], 80):
        fitted = density(TruncatedGaussian(weight=Capped(Power(1), 1))).fit(X)
        covered.append(np.abs(fitted.theta_ - truth) < 1.96 * fitted.standard_errors_)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_the_error_of_a_precision_is_the_known_one(rng):
    """K = 1/s² of n rows with mean 0 has the variance 2K²/n where they are Gaussian."""
    X = 2.0 * rng.standard_normal((50_000, 1))
    fitted = density(PairwiseInteraction(centered=True)).fit(X)
    assert fitted.standard_errors_[0] == pytest.approx(np.sqrt(2.0 / 50_000) * 0.25, rel=0.05)


def test_where_the_origin_lies_changes_the_linear_part_alone(rng):
    X = gaussian_rows(rng, 200)
    near, far = density().fit(X), density().fit(X + 5.0)
    np.testing.assert_allclose(far.standard_errors_[:6], near.standard_errors_[:6], rtol=1e-8)
    assert (far.standard_errors_[6:] > near.standard_errors_[6:]).all()


def test_weights_of_one_size_change_nothing_and_a_repeated_row_counts_twice(rng):
    X = gaussian_rows(rng, 150)
    plain, scaled = density().fit(X), density().fit(X, sample_weight=np.full(150, 7.0))
    np.testing.assert_allclose(scaled.standard_errors_, plain.standard_errors_, rtol=1e-9)
    doubled = density().fit(np.repeat(X, 2, axis=0))
    np.testing.assert_allclose(doubled.standard_errors_, plain.standard_errors_ / np.sqrt(2), rtol=5e-3)


def test_edges_are_tested_by_name(rng):
    X = pd.DataFrame(gaussian_rows(rng, 500), columns=["a", "b", "c"])
    table = density().fit(X).edge_tests()
    assert table["names"].tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert (table["p_value"][[0, 2]] < 1e-3).all()
    np.testing.assert_allclose(table["statistic"], (table["interaction"] / table["standard_error"]) ** 2)


def test_p_values_without_an_edge_are_uniform(rng):
    p_values = [density().fit(rng.standard_normal((200, 3))).edge_tests()["p_value"] for _ in range(100)]
    assert np.mean(np.array(p_values) < 0.1) == pytest.approx(0.1, abs=0.06)


def test_pairs_that_the_penalty_left_out_are_not_tested(rng):
    fitted = ScoreMatchingDensityCV(selection="ebic", refit=True, inference=True).fit(gaussian_rows(rng, 300))
    table = fitted.edge_tests()
    assert (table["p_value"][table["interaction"] == 0.0] == 1.0).all()
    assert (table["standard_error"][table["interaction"] != 0.0] > 0.0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_kernels_have_errors_too(rng):
    fitted = density(Kernel(5, bandwidth=1.0, base_scale=1.0), alpha=0.01).fit(gaussian_rows(rng, 100))
    assert fitted.standard_errors_.shape == fitted.theta_.shape
    assert (fitted.standard_errors_ > 0.0).all()


def test_what_has_no_errors_says_so(rng):
    X = gaussian_rows(rng, 60)
    with pytest.raises(ValueError, match="single model"):
        density(Kernel(5, n_components=2, bandwidth=1.0, base_scale=1.0)).fit(X)
    with pytest.raises(ValueError, match="all rows at once"):
        density().fit(X).partial_fit(X)
    with pytest.raises(ValueError, match="inference=True"):
        ScoreMatchingDensity("pairwise").fit(X).edge_tests()


# ---- Gaussian densities and polynomials ----------------------------------------------------------


def normal_errors(K, n):
    """Asymptotic standard errors √((K_ii K_jj + K_ij²)/n) of a precision matrix."""
    return np.sqrt((np.outer(np.diag(K), np.diag(K)) + K**2) / n)


@pytest.mark.parametrize("objective", ["implicit", "explicit", "sliced", "denoising"])
@pytest.mark.parametrize("centered", [False, True])
def test_a_gaussian_has_the_errors_of_the_pairwise_model_that_it_is(rng, objective, centered):
    X, weight = gaussian_rows(rng, 80), rng.uniform(size=80)
    Y = rng.standard_normal((80, 3)) - X if objective == "explicit" else None
    own, pairwise = (
        density(model, objective=objective, alpha=0.1).fit(X, Y, sample_weight=weight)
        for model in (Gaussian(assume_centered=centered), PairwiseInteraction(centered=centered))
    )
    np.testing.assert_allclose(own.theta_, pairwise.theta_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(own.parameter_covariance_, pairwise.parameter_covariance_, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(own.edge_tests()["p_value"], pairwise.edge_tests()["p_value"], rtol=1e-6)


def test_intervals_of_a_gaussian_cover_its_precision_and_linear_part(rng):
    """200 tables of 5 parameters: coverage of 95 % intervals within 3 standard errors of its own."""
    K, mean = np.array([[1.0, 0.4], [0.4, 2.0]]), np.array([3.0, -1.0])
    truth, covered = np.concatenate([K[np.triu_indices(2)], K @ mean]), []
    for X in rng.multivariate_normal(mean, np.linalg.inv(K), (200, 300)):
        fitted = density("gaussian").fit(X)
        covered.append(np.abs(fitted.theta_ - truth) < 1.96 * fitted.standard_errors_)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_errors_of_a_precision_are_the_known_ones(rng):
    X, n = gaussian_rows(rng, 40_000), 40_000
    full = density("gaussian").fit(X)
    np.testing.assert_allclose(full.standard_errors_[:6], normal_errors(PRECISION, n)[np.triu_indices(3)], rtol=0.04)
    diagonal, spherical = (density(Gaussian(kind)).fit(X) for kind in ("diag", "spherical"))
    K = np.diag(diagonal.precision_)
    np.testing.assert_allclose(diagonal.standard_errors_[[0, 3, 5]], K * np.sqrt(2.0 / n), rtol=0.04)
    assert (diagonal.standard_errors_[[1, 2, 4]] == 0.0).all()
    k, C = spherical.precision_[0, 0], np.linalg.inv(PRECISION)  # k = 3 / tr S, and var(tr S) = 2 tr C² / n
    expected = k**2 * np.sqrt(2.0 * np.trace(C @ C) / n) / 3.0
    np.testing.assert_allclose(spherical.standard_errors_[[0, 3, 5]], expected, rtol=0.04)


def quartic(X):
    """T = (x, x², x³, x⁴) with its derivatives, each of shape (n, 4)."""
    k = np.arange(1, 5)
    return X**k, k * X ** (k - 1.0), k * (k - 1.0) * X ** np.maximum(k - 2.0, 0.0)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_a_polynomial_has_the_errors_of_the_formula(rng, alpha):
    """A⁻¹ Σ w²(ψ − ψ̄)(ψ − ψ̄)ᵀ A⁻¹ in powers of x, by rows; the model works in other coordinates."""
    X, weight = rng.normal(1.0, 0.5, (60, 1)), rng.integers(1, 4, 60).astype(float)
    base = GaussianBase(0.0, 1.0)
    fitted = density(Polynomial(4, base=base), alpha=alpha).fit(X, sample_weight=weight)
    _, D, bend = quartic(X)
    share = weight / weight.sum()
    A = (share[:, None] * D).T @ D + alpha * np.eye(4)
    psi = D * (D @ fitted.theta_ - X[:, 0])[:, None] + bend
    np.testing.assert_allclose(share @ psi + alpha * fitted.theta_, 0.0, atol=1e-8)
    psi -= share @ psi
    M = 60 / 59 * (share[:, None] * psi).T @ (share[:, None] * psi)
    expected = np.linalg.solve(A, np.linalg.solve(A, M).T)
    np.testing.assert_allclose(fitted.parameter_covariance_, expected, rtol=1e-6)
    own = ExponentialFamily(
        lambda X: quartic(X)[0], lambda X: quartic(X)[1][..., None], lambda X: quartic(X)[2], base=base
    )
    by_callables = density(own, alpha=alpha).fit(X, sample_weight=weight)
    np.testing.assert_allclose(by_callables.parameter_covariance_, expected, rtol=1e-6)


@pytest.mark.parametrize("objective", ["explicit", "sliced", "denoising"])
def test_a_polynomial_of_degree_two_is_a_gaussian(rng, objective):
    """K_ii = −2θ, K_ij = −θ: their errors are in the same ratio, under every objective."""
    X = gaussian_rows(rng, 100)
    Y = rng.standard_normal((100, 3)) - X if objective == "explicit" else None
    gaussian, polynomial = (
        density(model, objective=objective).fit(X, Y) for model in ("gaussian", Polynomial(2, base=None))
    )
    i, j = np.triu_indices(3)
    np.testing.assert_allclose(
        polynomial.standard_errors_[3:] * np.where(i == j, 2.0, 1.0), gaussian.standard_errors_[:6], rtol=1e-6
    )
    np.testing.assert_allclose(polynomial.standard_errors_[:3], gaussian.standard_errors_[6:], rtol=1e-6)


@pytest.mark.parametrize("robust", [None, 0.2])
def test_rows_that_do_not_determine_the_parameters_are_named(robust, rng):
    X = gaussian_rows(rng, 60)
    floored = pytest.warns(ConvergenceWarning) if robust is None else nullcontext()  # robust weights take no floor
    with pytest.raises(ValueError, match="alpha > 0"), floored:
        density("gaussian", robust=robust).fit(np.column_stack([X, X[:, 0]]))
