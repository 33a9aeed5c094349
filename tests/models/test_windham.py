"""Robust weights: the fixed point and where it lies, on clean rows and on rows with outliers."""

import numpy as np
import pytest

from skscore.domains import Box, Orthant, Simplex
from skscore.fitting.solvers import UnboundedObjectiveError
from skscore.formulas.moments import Summary, moments
from skscore.models import Gaussian, PairwiseInteraction, Polynomial, TruncatedGaussian, windham
from skscore.models.family import Sample
from skscore.models.objectives import Implicit
from skscore.models.windham import feedback, windham_weights

MODELS = {
    "gaussian": Gaussian(),
    "diagonal gaussian": Gaussian("diag"),
    "pairwise": PairwiseInteraction(),
    "truncated gaussian": TruncatedGaussian(),
    "box": TruncatedGaussian(Box([0.0, 0.0], [9.0, np.inf])),
    "square root": PairwiseInteraction(0.5, 0.5, domain=Orthant()),
    "composition": PairwiseInteraction(0.0, 0.0, domain=Simplex(), weight="tanh"),
    "polynomial": Polynomial(4),
}


def rows(name, rng, n=400):
    X = 0.3 + np.abs(rng.standard_normal((n, 2)) @ [[1.0, 0.5], [0.0, 1.0]])
    return X / X.sum(axis=1, keepdims=True) if name == "composition" else X


def sampled(X, weight=None):
    return Sample(X, None, weight, moments(X, weight))


def bound(model, X):
    return model.choose(sampled(X), Implicit(), 0.0, "log_likelihood").family


def solved(family, X, weight):
    return family.solve(
        Summary(moments(X, weight), family.assemble(X, None, weight, Implicit())), Implicit(), 0.0
    ).theta


def robust(family, X, c, weight=None):
    """The weights, the parameters of the weighted rows, and the estimate."""
    total, _ = windham_weights(family, sampled(X, weight), Implicit(), 0.0, c)
    family = family.rebound(moments(X, total))
    theta = solved(family, X, total)
    return total, family, family.power(theta, 1.0 / (1.0 + c))


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_a_power_of_the_density_that_they_fit(name, rng):
    X, c = rows(name, rng), 0.4
    weight, family, theta = robust(bound(MODELS[name], X), X, c)
    assert weight.sum() == pytest.approx(len(X))
    log_ratio = np.log(weight / weight.max()) - c * family.log_density(theta, X)
    kept = weight > 1e-6 * weight.max()
    assert np.ptp(log_ratio[kept]) < 1e-6
    assert kept.mean() > 0.9


@pytest.mark.parametrize("name", MODELS)
def test_a_power_multiplies_the_log_density(name, rng):
    X = rows(name, rng)
    family = bound(MODELS[name], X)
    assert family.closed_under_powers
    theta = solved(family, X, np.ones(len(X)))
    raised = family.log_density(family.power(theta, 1.7), X)
    np.testing.assert_allclose(np.diff(raised), 1.7 * np.diff(family.log_density(theta, X)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_without_a_power_all_rows_weigh_the_same(name, rng):
    X = rows(name, rng, n=60)
    np.testing.assert_allclose(robust(bound(MODELS[name], X), X, 0.0)[0], 1.0, rtol=1e-14)


@pytest.mark.parametrize("name", MODELS)
def test_a_weight_is_a_repetition(name, rng):
    X, times = rows(name, rng, n=80), rng.integers(1, 4, 80)
    family = bound(MODELS[name], X)
    weighted, _, _ = robust(family, X, 0.3, times.astype(float))
    repeated, _, _ = robust(family, np.repeat(X, times, axis=0), 0.3)
    np.testing.assert_allclose(np.repeat(weighted / times, times), repeated, rtol=1e-6, atol=1e-9)


def test_a_far_and_tight_cluster_has_no_weight(rng):
    """The plain fit is no density, it grows towards the outliers: the iteration does not begin with it."""
    X = np.abs(rng.standard_normal((950, 1)))
    mixed = np.vstack([X, 20.0 + rng.random((50, 1))])
    family = bound(TruncatedGaussian(centered=False), mixed)
    assert family.unpack(solved(family, mixed, np.ones(1000)))[0] < 0.0
    weight, family, theta = robust(family, mixed, 0.2)
    assert weight[950:].max() < 1e-12
    K, error = family.unpack(theta)[0].item(), 0.16  # standard deviation over 200 tables of 950 rows
    assert K == pytest.approx(1.0, abs=3.0 * error)


def test_what_does_not_converge_says_how_far_it_is(rng, monkeypatch):
    X = rows("gaussian", rng)
    monkeypatch.setattr(windham, "MAX_FITS", 2)
    _, (remark,) = windham_weights(bound(Gaussian(), X), sampled(X), Implicit(), 0.0, 1.0)
    assert "after 2 fits the weights of rows still change by 0." in remark


def test_weights_on_too_few_rows_are_refused(rng):
    X = rows("gaussian", rng, n=4)
    family = bound(PairwiseInteraction(), X)
    with pytest.raises(UnboundedObjectiveError, match="have all the weight"):
        robust(family, X, 50.0)


# ---- the slope of the mean gradient --------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_slope_is_that_of_differences(name, rng, monkeypatch):
    monkeypatch.setattr(windham, "BLOCK_BYTES", 1 << 12)  # several blocks
    X, c, own = rows(name, rng), 0.4, rng.uniform(size=400)
    weight, family, theta = robust(bound(MODELS[name], X), X, c, own)
    statistics = Summary(moments(X, weight), family.assemble(X, None, weight, Implicit()))
    family, theta, Gamma, L = family.natural(theta, statistics, Implicit())
    T = family.statistics(X)

    def mean_gradient(theta):
        followed = own * np.exp(c * (T - T.mean(axis=0)) @ theta)
        return followed @ family.row_gradients((1.0 + c) * theta, X, None, Implicit()) / followed.sum()

    A = (1.0 + c) * Gamma + c * feedback(family, (1.0 + c) * theta, X, weight, Implicit())
    steps = 1e-4 / T.std(axis=0)
    both = [(mean_gradient(theta + e), mean_gradient(theta - e)) for e in np.diag(steps)]
    differences = np.column_stack([up - down for up, down in both]) / (2.0 * steps)
    A, differences = L.T @ A @ L, L.T @ differences @ L  # along which the mean gradient is zero
    np.testing.assert_allclose(differences, A, atol=1e-7 * np.abs(A).max())


DISTRIBUTIONS = {
    "gaussian": (PairwiseInteraction(), np.array, [1.2, 0.3]),
    "truncated gaussian": (TruncatedGaussian(), np.exp, [1.2, 0.3]),
    "exponential": (PairwiseInteraction(0.5, 0.5, domain=Orthant()), np.exp, [1.2, 0.3]),
    "gamma": (PairwiseInteraction(0.5, 0.0, domain=Orthant()), np.exp, [1.2, 0.3]),
    "polynomial": (Polynomial(4, base=None), np.array, [0.1, -0.3, 0.05, -0.2]),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_for_the_law_of_the_model_it_is_gamma(name):
    """Γ + C = 0: expectations are trapezoidal sums in t, for x = t or exp t."""
    model, law, phi = DISTRIBUTIONS[name][0], DISTRIBUTIONS[name][1], np.array(DISTRIBUTIONS[name][2])
    family = bound(model, law(np.linspace(-1.0, 1.0, 50))[:, None])
    t = np.linspace(-100.0, 8.0, 5001)
    X, step = law(t)[:, None], law(t) if law is np.exp else 1.0
    weight = np.exp(family.log_density(phi, X)) * step
    X, weight = X[weight > 0.0], weight[weight > 0.0]
    C = feedback(family, phi, X, weight, Implicit())
    statistics = Summary(moments(X, weight), family.assemble(X, None, weight, Implicit()))
    np.testing.assert_allclose(C, -family.form(statistics, Implicit()).Gamma, rtol=1e-7, atol=1e-9)
