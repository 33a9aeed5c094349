"""Log-ratio interactions of compositions: rows of K sum to zero through every route."""

import warnings

import numpy as np
import pytest

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import Capped, Orthant, Power, Simplex
from skscore.models import PairwiseInteraction

D = 4
TRUE = np.array([[2.0, -1.5, 0.0, -0.5], [-1.5, 2.5, -1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [-0.5, 0.0, 0.0, 0.5]])


def model(**parameters):
    return PairwiseInteraction(0, 0, domain=Simplex(), weight=Capped(Power(2.0), 1.0), log_ratios=True, **parameters)


def logistic_normal_rows(rng, n):
    """log x ~ N(0, K⁺) up to a constant of each row: η = −1, as the parts are measured by dx."""
    values, V = np.linalg.eigh(TRUE)
    Z = rng.standard_normal((n, D - 1)) @ (V[:, 1:] / np.sqrt(values[1:])).T
    X = np.exp(Z)
    return X / X.sum(axis=1, keepdims=True)


def test_the_logistic_normal_is_found_within_its_errors(rng):
    fitted = ScoreMatchingDensity(model(), inference=True).fit(logistic_normal_rows(rng, 20_000))
    truth = np.concatenate([TRUE[np.triu_indices(D)], np.full(D, -1.0)])
    assert (np.abs(fitted.theta_ - truth) < 4.0 * fitted.standard_errors_).all()
    total = np.concatenate([np.eye(D)[0, np.triu_indices(D)[0]], np.zeros(D)])  # Σ_j K_1j, which is known
    assert total @ fitted.parameter_covariance_ @ total == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0, 0.5])
def test_rows_sum_to_zero(alpha, l1_ratio, rng):
    K = ScoreMatchingDensity(model(), alpha=alpha, l1_ratio=l1_ratio).fit(logistic_normal_rows(rng, 300)).interaction_
    np.testing.assert_allclose(K.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_array_equal(K, K.T)


def test_a_fit_is_stationary_among_log_ratios(rng):
    """The derivative along each log-ratio vanishes, in all of θ it does not."""
    X = logistic_normal_rows(rng, 300)
    fitted = ScoreMatchingDensity(model()).fit(X)
    family, form = fitted._fit.family, fitted._fit.summary.form
    gradient = form.gradient(fitted._fit.density.theta)
    _, E = family.unknowns(family.n_parameters)
    np.testing.assert_allclose(E.T @ gradient, 0.0, atol=1e-10)
    assert np.abs(gradient).max() > 1e-4


def test_a_graph_of_log_ratios_is_chosen(rng):
    chosen = ScoreMatchingDensityCV(model(), selection="ebic").fit(logistic_normal_rows(rng, 4000))
    edges = np.abs(chosen.interaction_) > 0.0
    np.testing.assert_array_equal(edges, TRUE != 0.0)


def test_it_has_draws_of_its_own_law(rng):
    X = logistic_normal_rows(rng, 2000)
    fitted = ScoreMatchingDensity(model(), random_state=0).fit(X)
    assert np.isfinite(fitted.score(X))
    ratio = np.log(fitted.sample(2000))
    expected = np.log(X)
    for rows in (ratio, expected):
        rows -= rows.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(np.cov(ratio.T), np.cov(expected.T), atol=0.25)


@pytest.mark.parametrize("wrong", [{"a": 1.0}, {"domain": Orthant()}])
def test_elsewhere_there_are_no_log_ratios(wrong, rng):
    with pytest.raises(ValueError, match="parts of a composition"):
        ScoreMatchingDensity(model().set_params(**wrong)).fit(logistic_normal_rows(rng, 50))


def test_parts_with_four_digits_are_a_composition(rng):
    """They move the estimate by little of its errors, whether or not they are divided by their sums."""
    exact = rng.dirichlet([5.0, 4.0, 3.0, 2.0], 1000)
    rounded = exact.round(4)
    assert (rounded.sum(axis=1) != 1.0).any()
    whole, rounded, closed = (
        ScoreMatchingDensity(PairwiseInteraction(0.0, 0.0, domain=Simplex()), inference=True).fit(X)
        for X in (exact, rounded, rounded / rounded.sum(axis=1, keepdims=True))
    )
    assert (np.abs(rounded.theta_ - whole.theta_) < 0.05 * whole.standard_errors_).all()
    assert (np.abs(rounded.theta_ - closed.theta_) < 0.02 * whole.standard_errors_).all()


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda X: 100.0 * X, "parts sum to 100: divide each row by its sum"),
        (lambda X: X.round(2), r"parts sum to (0.99|1.01): divide each row by its sum"),
        (lambda X: X - X.min(axis=1, keepdims=True), "replace their zeros"),
    ],
    ids=["percent", "two digits", "zeros"],
)
def test_what_is_no_composition_is_told_what_to_do(change, remedy, rng):
    X = change(0.01 + 0.96 * rng.dirichlet([5.0, 4.0, 3.0, 2.0], 100))
    with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match=remedy):
        ScoreMatchingDensity(PairwiseInteraction(1.0, 1.0, domain=Simplex())).fit(X)
    with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match=r"divide each|or drop these rows"):
        ScoreMatchingDensity(PairwiseInteraction(0.0, 0.0, domain=Simplex())).fit(X)
