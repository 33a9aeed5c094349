"""Truncated Gaussians on every domain against brute force: draws by both routes, and the normaliser."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from skscore.domains import Ball, Box, Halfspaces, Intervals, Orthant
from skscore.formulas.moments import moments
from skscore.models import TruncatedGaussian
from skscore.models.fitted_density import FittedDensity

D = 3
K = np.array([[1.0, 0.5, -0.2], [0.5, 1.5, 0.3], [-0.2, 0.3, 0.8]])
MEAN = np.array([0.4, 0.3, 0.8])
DOMAINS = {
    "orthant": Orthant(),
    "box": Box([-1.0, 0.0, -np.inf], [1.0, np.inf, 2.0]),
    "ball": Ball(1.5),
    "outside": Intervals([(-np.inf, -0.5), (0.5, np.inf)]),
    "pieces": Intervals([[(-2.0, -1.0), (-0.5, 0.3), (0.4, 2.0)], [(-np.inf, 0.0), (0.7, np.inf)], [(0.0, 1.0)]]),
    "order": Halfspaces([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]], [0.0, 0.0]),  # x₁ < x₂ < x₃
    "tetrahedron": Halfspaces(np.vstack([-np.eye(D), np.ones(D)]), [0.0, 0.0, 0.0, 1.5]),
    "wedge": Halfspaces([[-1.0, 0.9, 0.0], [0.8, -1.0, 0.0]], [0.0, 0.0]),  # its apex is in no coordinate's reach
}
N_BRUTE = 400_000


@pytest.fixture(scope="module")
def brute():
    """Draws of the Gaussian before it is truncated."""
    return np.random.default_rng(3).multivariate_normal(MEAN, np.linalg.inv(K), N_BRUTE)


@pytest.fixture(params=DOMAINS)
def case(request, brute):
    """The law at K, and rows of it by rejection."""
    domain = DOMAINS[request.param]
    rows = brute[domain.contains(brute)]
    family = TruncatedGaussian(domain).family(moments(rows[:500]))
    theta = np.concatenate([K[family.pairs], K @ (MEAN - family.centre)])
    return FittedDensity(family, theta, moments(family.domain.to_reals(rows[:500])), 0, "model"), rows


def assert_same_law(draws, rows, rng):
    """By Kolmogorov and Smirnov's test of the coordinates and five projections."""
    directions = np.vstack([np.eye(D), rng.standard_normal((5, D))])
    for v in directions:
        assert ks_2samp(draws @ v, rows @ v).pvalue > 1e-3


def test_exact_draws_are_those_of_rejection(case, rng):
    law, rows = case
    drawn = law.family.sample(law.theta, 4000, rng)
    assert (drawn is None) == isinstance(law.family.domain, Ball)
    if drawn is not None:
        assert law.family.domain.contains(drawn.rows).all()
        assert_same_law(drawn.rows, rows[500:], rng)


def test_chains_are_those_of_rejection(case, rng):
    law, rows = case
    draws, diagnostics, _ = law._sample_by_chains(4000, "hmc", rng)
    assert law.family.domain.contains(draws).all()
    assert_same_law(draws, rows[500:], rng)
    assert diagnostics["acceptance"] > 0.5


def test_the_normalizer_is_that_of_the_gaussian_times_its_mass_inside(case):
    law, rows = case
    c = MEAN - law.family.centre
    whole = 0.5 * c @ K @ c + 0.5 * D * np.log(2.0 * np.pi) - 0.5 * np.linalg.slogdet(K)[1]
    found, share = law.log_normalizer(), len(rows) / N_BRUTE
    error = np.hypot(found.stderr, np.sqrt((1.0 - share) / (share * N_BRUTE)))
    assert found.log_z == pytest.approx(whole + np.log(share), abs=4.0 * error)
    assert found.stderr < 0.02


def test_in_the_plane_the_normalizer_is_by_quadrature(brute):
    domain = Intervals([(-np.inf, 0.0), (0.5, np.inf)])
    rows = brute[domain.contains(brute[:, :2])][:500, :2]
    family = TruncatedGaussian(domain).family(moments(rows))
    theta = np.concatenate([np.array([1.0, 0.0, 1.0]), -family.centre])
    law = FittedDensity(family, theta, moments(domain.to_reals(rows)), 0, "model")
    inside = np.sqrt(2.0 * np.pi) * (0.5 + 0.3085375387)  # Φ(0) and 1 − Φ(0.5)
    whole = 0.5 * family.centre @ family.centre
    assert law.log_normalizer().log_z == pytest.approx(2.0 * np.log(inside) + whole, abs=1e-4)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_ten_ordered_columns(offset, rng):
    """Of N(offset, I) in R¹⁰, one in 10! rows is in order: exact draws are sorted normals, and log Z says so."""
    p = 10
    A = np.eye(p)[:-1] - np.eye(p, k=1)[:-1]
    rows = np.sort(rng.standard_normal((4000, p)), axis=1) + offset
    family = TruncatedGaussian(Halfspaces(A, np.zeros(p - 1))).family(moments(rows))
    theta = np.concatenate([np.eye(p)[family.pairs], offset - family.centre])
    draws = family.sample(theta, 2000, rng).rows
    for j in (0, 4, 9):
        assert ks_2samp(draws[:, j], rows[:, j]).pvalue > 1e-3
    law = FittedDensity(family, theta, moments(family.domain.to_reals(rows)), 0, "model")
    found = law.log_normalizer()
    c = offset - family.centre
    expected = 0.5 * c @ c + 0.5 * p * np.log(2.0 * np.pi) - np.log(3628800.0)
    assert found.log_z == pytest.approx(expected, abs=4.0 * found.stderr)
    assert found.stderr < 0.2
