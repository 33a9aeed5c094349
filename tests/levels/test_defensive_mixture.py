"""Mixtures with a second density: proper, with exact derivatives and draws, whatever is mixed in."""

import numpy as np
import pytest
from scipy import integrate, stats

from skscore.levels.defensive_mixture import DefensiveMixture
from skscore.levels.parzen import ParzenWindows
from skscore.models.base import StudentT

VARIANCE = np.array([4.0, 1.0, 0.01])
PRECISION = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])  # of the first part, here a Gaussian
CENTRES = np.random.default_rng(5).standard_normal((20, 3)) * [1.0, 1.0, 0.3]


def gaussian(X):
    log_p = -0.5 * np.einsum("ni,ij,nj->n", X, PRECISION, X) + 0.5 * np.log(np.linalg.det(PRECISION / (2 * np.pi)))
    return log_p, -X @ PRECISION


PARTS = {
    "heavy": StudentT(2.5, VARIANCE),
    "light": StudentT(30.0, VARIANCE),
    "windows": ParzenWindows(CENTRES, np.full(20, 0.05), 0.8, np.array([0.5, 0.3, 0.2])),
}


@pytest.fixture(params=[("heavy", 1e-3), ("light", 0.5), ("windows", 0.2)], ids=str)
def mixture(request):
    name, weight = request.param
    return DefensiveMixture(weight, PARTS[name])


def test_mixture_is_the_sum_of_its_parts(mixture, rows):
    log_p, _ = gaussian(rows)
    second = mixture.weight * np.exp(mixture.part.log_density(rows))
    expected = (1 - mixture.weight) * np.exp(log_p) + second
    np.testing.assert_allclose(np.exp(mixture.log_density(log_p, rows)), expected, rtol=1e-10)
    np.testing.assert_allclose(mixture.responsibility(log_p, rows) * expected, second, rtol=1e-9)


@pytest.mark.parametrize(
    "part",
    [StudentT(3.0, np.array([2.0])), ParzenWindows(CENTRES[:, :1], np.full(20, 0.05), 0.8, np.array([0.6, 0.4]))],
)
def test_mixture_has_mass_one(part):
    mixture = DefensiveMixture(0.2, part)

    def density(x):
        return np.exp(mixture.log_density(stats.norm.logpdf([x]), np.array([[x]]))).item()

    mass, _ = integrate.quad(density, -np.inf, np.inf, limit=200)
    assert mass == pytest.approx(1.0, abs=1e-7)


def test_mixture_derivatives(mixture, rows, rng, central):
    def log_density(X):
        return mixture.log_density(gaussian(X)[0], X)

    def score(X):
        return mixture.score(*gaussian(X), X)

    V = rng.standard_normal(rows.shape)
    hessian = central(score, rows)
    flat = -np.einsum("ni,ij,nj->n", V, PRECISION, V)
    np.testing.assert_allclose(score(rows), central(log_density, rows), rtol=1e-6, atol=1e-6)
    expected = np.einsum("ni,nij,nj->n", V, hessian, V)
    np.testing.assert_allclose(mixture.curvature(*gaussian(rows), flat, rows, V), expected, rtol=1e-6, atol=1e-5)
    one = mixture.curvature(*gaussian(rows), np.full(len(rows), -PRECISION[1, 1]), rows, np.eye(3)[1])
    np.testing.assert_allclose(one, hessian[:, 1, 1], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("score", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("name", PARTS)
def test_where_the_first_has_no_mass_only_the_second_speaks(name, rows, score):
    mixture = DefensiveMixture(0.02, PARTS[name])
    nowhere, s = np.full(len(rows), -np.inf), np.full(rows.shape, score)
    part, second = mixture.part, s[:, 0]
    np.testing.assert_allclose(mixture.log_density(nowhere, rows), np.log(mixture.weight) + part.log_density(rows))
    np.testing.assert_array_equal(mixture.score(nowhere, s, rows), part.score(rows))
    np.testing.assert_array_equal(mixture.curvature(nowhere, s, second, rows, rows), part.curvature(rows, rows))


def test_samples_of_the_mixture(rng):
    n, tail = 40_000, DefensiveMixture(0.02, PARTS["heavy"])
    X = np.zeros((n, 3))
    mixed = tail.mix_samples(X, rng)
    replaced = (mixed != 0).all(axis=1)
    assert (mixed[~replaced] == 0.0).all()
    assert (X == 0.0).all()  # the draws of the first part are left as they were
    assert abs(replaced.sum() - n * tail.weight) < 4 * np.sqrt(n * tail.weight)
    assert stats.kstest(mixed[replaced, 0] / 2, stats.t(2.5).cdf).pvalue > 1e-3
