"""One noise level alone: a closed form is its own law; a plain score has none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from skscore.formulas.moments import moments
from skscore.levels.ladder import fit_ladder, gather
from skscore.levels.level_density import LevelDensity, PotentialFamily
from skscore.models import Gaussian, Polynomial
from skscore.models.fitted_density import FittedDensity

SIGMA = 0.4


def rows(n=500):
    return np.random.default_rng(0).standard_normal((n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])


def law_of(model, X):
    statistics = gather(model.family(moments(X, None)), X, None, np.array([SIGMA]))
    ladder = fit_ladder(statistics, np.ones(2), 0.0)
    return LevelDensity(
        ladder, SIGMA, FittedDensity(ladder.families[0], ladder.thetas[0], statistics.table, 0, "model")
    )


@pytest.mark.parametrize("model", [Gaussian(), Polynomial(2)])
def test_the_level_of_a_gaussian(model):
    X = rows()
    X = X - X.mean(axis=0)
    law, covariance = law_of(model, X), np.cov(X.T, ddof=0) + SIGMA**2 * np.eye(2)
    assert_allclose(law.log_density(X), multivariate_normal(np.zeros(2), covariance).logpdf(X), atol=1e-6)
    assert_allclose(law.elbo(X), law.log_density(X))
    assert_allclose(law.score(X), -np.linalg.solve(covariance, X.T).T, atol=1e-6)
    v = np.array([0.6, 0.8])
    assert_allclose(law.curvature(X, v), -v @ np.linalg.solve(covariance, v), atol=1e-6)
    score, trace = law.score_and_trace(X, np.eye(2)[:, None])
    assert_allclose(score, law.score(X))
    assert_allclose(trace, -np.trace(np.linalg.inv(covariance)), atol=1e-6)
    draws = law.sample(4000, "flow", None, np.random.default_rng(0)).rows
    assert_allclose(np.cov(draws.T), covariance, atol=6 * covariance.max() * np.sqrt(2 / 4000))


def test_a_plain_score_has_no_density_but_draws():
    X = rows()
    law = LevelDensity(law_of(Gaussian(), X).noisy_score, SIGMA, None)
    with pytest.raises(ValueError, match="no log-density"):
        law.log_density(X)
    draws = law.sample(2000, "flow", None, np.random.default_rng(0)).rows
    assert_allclose(np.cov(draws.T), np.cov(X.T), atol=0.25)


def test_a_potential_of_single_precision_is_not_integrated_more_finely_than_it_is_rounded(rng):
    """To 1e-10 its quadrature never converges: 1.4 million nodes, where 100 thousand tell all there is."""
    passed = []

    class Rounded:
        def log_potential(self, X, sigma):
            passed.append(len(X))
            return (-0.5 * (X**2).sum(axis=1)).astype(np.float32).astype(float)

    density = FittedDensity(
        PotentialFamily(Rounded(), SIGMA), None, moments(rng.standard_normal((100, 2)), None), 0, "model"
    )
    assert density.log_normalizer().log_z == pytest.approx(np.log(2.0 * np.pi), abs=1e-6)
    assert sum(passed) < 100_000
