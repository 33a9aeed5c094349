"""Every toy distribution: its density integrates to one, its score is the gradient, its sampler draws from it."""

from dataclasses import FrozenInstanceError
from functools import cache

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2, chisquare, multivariate_normal, norm
from sklearn.datasets import make_circles, make_moons
from sklearn.mixture import GaussianMixture

from skscore import datasets
from skscore.datasets import (
    DISTRIBUTIONS,
    Banana,
    Checkerboard,
    Distribution,
    FourGaussians,
    Funnel,
    GaussianMixtureDistribution,
    Moons,
    Rings,
    Spirals,
)


def random_mixture(n_components, n_features):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(n_components, n_features, n_features))
    covariances = factors @ factors.transpose(0, 2, 1) + 0.5 * np.eye(n_features)
    weights = rng.dirichlet(np.full(n_components, 3.0))
    return GaussianMixtureDistribution(weights, 4 * rng.normal(size=(n_components, n_features)), covariances)


def ring_of_eight():
    angle = np.arange(8) * np.pi / 4
    means = 4 * np.column_stack([np.cos(angle), np.sin(angle)])
    return GaussianMixtureDistribution(np.full(8, 1 / 8), means, np.tile(0.25 * np.eye(2), (8, 1, 1)))


OTHERS = {
    "moons_wide": Moons(noise=0.5),
    "rings_two": Rings(radii=(0.5, 1.0), noise=0.1),
    "checkerboard_five": Checkerboard(n_cells=5, noise=0.3),
    "banana_flat": Banana(scale=1.0, curvature=0.0),
    "spirals_tight": Spirals(n_half_turns=2, spacing=0.6, noise=0.1),
    "ring_of_eight": ring_of_eight(),
    "mixture_8d": random_mixture(3, 8),
}
ALL = DISTRIBUTIONS | OTHERS
PLANAR = [name for name, distribution in ALL.items() if distribution.n_features == 2]
every_distribution = pytest.mark.parametrize("distribution", ALL.values(), ids=ALL)

# Ranges of both coordinates that hold the mass to 1e-7, and the panels along each side.
WINDOWS = {
    "moons": ((-2, 3), (-1.5, 2), 20),
    "moons_wide": ((-4, 5), (-4, 4), 12),
    "rings": ((-4, 4), (-4, 4), 24),
    "rings_two": ((-2, 2), (-2, 2), 24),
    "checkerboard": ((-2.5, 2.5), (-2.5, 2.5), 20),
    "checkerboard_five": ((-4.5, 4.5), (-4.5, 4.5), 18),
    "funnel": ((-18, 18), (-6, 6), 20),
    "banana": ((-12, 12), (-8, 76), 40),
    "banana_flat": ((-6, 6), (-6, 6), 16),
    "spirals": ((-6, 6), (-6, 6), 24),
    "spirals_tight": ((-3, 3), (-3, 3), 20),
    "four_gaussians": ((-9, 9), (-9, 9), 20),
    "ring_of_eight": ((-7.5, 7.5), (-7.5, 7.5), 20),
}


def from_coordinates(distribution, U):
    """Points of coordinates U and the log-Jacobian; only the funnel is too narrow for its own coordinates."""
    if not isinstance(distribution, Funnel):
        return U, 0.0
    return np.column_stack([U[:, 0], np.exp(U[:, 0] / 2) * U[:, 1]]), U[:, 0] / 2


def to_coordinates(distribution, X):
    return np.column_stack([X[:, 0], X[:, 1] * np.exp(-X[:, 0] / 2)]) if isinstance(distribution, Funnel) else X


def panel_rule(edges, n_nodes):
    """Composite Gauss-Legendre: nodes and weights, each of shape (panels, n_nodes)."""
    x, w = np.polynomial.legendre.leggauss(n_nodes)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (x + 1), half * w


@cache
def cell_masses(name):
    """Edges along both axes and the mass of every cell between them, by quadrature of exp(score_samples)."""
    distribution, (first, second, panels) = ALL[name], WINDOWS[name]
    edges = np.linspace(*first, panels + 1), np.linspace(*second, panels + 1)
    (x, wx), (y, wy) = (panel_rule(e, 12) for e in edges)
    U = np.stack(np.meshgrid(x.ravel(), y.ravel(), indexing="ij"), axis=-1).reshape(-1, 2)
    X, log_jacobian = from_coordinates(distribution, U)
    density = np.exp(distribution.score_samples(X) + log_jacobian).reshape(panels, 12, panels, 12)
    return edges, np.einsum("iajb,ia,jb->ij", density, wx, wy)


def chi_square_p_value(name, X):
    """Chance of a table of counts as odd as that of X, were X drawn from the distribution; rare cells are pooled."""
    edges, masses = cell_masses(name)
    counts = np.histogram2d(*to_coordinates(ALL[name], X).T, bins=edges)[0]
    common = len(X) * masses > 10
    observed = np.append(counts[common], len(X) - counts[common].sum())
    expected = np.append(len(X) * masses[common], len(X) * (1 - masses[common].sum()))
    return chisquare(observed, expected).pvalue


def central_differences(distribution, X, step):
    """Gradient of score_samples, with the same relative step in every coordinate."""
    shifts = step * np.eye(distribution.n_features)
    return np.column_stack(
        [(distribution.score_samples(X + e) - distribution.score_samples(X - e)) / (2 * step) for e in shifts]
    )


def far_points(d):
    """Points at distance 1e3 from the origin: both ends of every axis and some oblique directions."""
    oblique = np.random.default_rng(5).normal(size=(40, d))
    directions = np.vstack([np.eye(d), -np.eye(d), oblique / np.linalg.norm(oblique, axis=1, keepdims=True)])
    return 1e3 * directions


# --- identities of every distribution


@pytest.mark.parametrize("name", PLANAR)
def test_density_integrates_to_one(name):
    assert cell_masses(name)[1].sum() == pytest.approx(1, abs=1e-6)


@every_distribution
def test_score_is_the_gradient_of_the_log_density(distribution):
    X = distribution.sample(200, random_state=1)
    X = np.vstack([X, 1.5 * X])
    score = distribution.grad_log_density(X)
    error = np.abs(score - central_differences(distribution, X, step=1e-5)).max(axis=1)
    assert (error < 1e-6 * (1 + np.abs(score).max(axis=1))).all()


@pytest.mark.parametrize("name", [name for name, distribution in ALL.items() if not isinstance(distribution, Funnel)])
def test_score_is_the_gradient_far_from_the_data(name):
    distribution = ALL[name]
    X = far_points(distribution.n_features)
    score = distribution.grad_log_density(X)
    np.testing.assert_allclose(
        score, central_differences(distribution, X, step=1e-2), rtol=1e-6, atol=1e-7 * np.abs(score).max()
    )


@every_distribution
def test_everything_is_finite_far_away(distribution):
    X = np.vstack(
        [
            far_points(distribution.n_features),
            1e4 * far_points(distribution.n_features),
            np.zeros((1, distribution.n_features)),
        ]
    )
    assert np.isfinite(distribution.score_samples(X)).all()
    assert np.isfinite(distribution.grad_log_density(X)).all()


@every_distribution
def test_stein_identity(distribution):
    """E[s] = 0 and E[s xᵀ] = −I, each entry within five of its standard errors."""
    n = 20_000
    X = distribution.sample(n, random_state=2)
    S = distribution.grad_log_density(X)
    moments = np.concatenate([S[:, None], S[:, None] * X[:, :, None]], axis=1)
    expected = np.vstack([np.zeros(distribution.n_features), -np.eye(distribution.n_features)])
    assert (np.abs(moments.mean(axis=0) - expected) < 5 * moments.std(axis=0) / np.sqrt(n)).all()


@pytest.mark.parametrize("name", PLANAR)
def test_samples_follow_the_density(name):
    assert chi_square_p_value(name, ALL[name].sample(20_000, random_state=3)) > 1e-3


def test_the_chi_square_test_notices_a_wrong_distribution():
    assert chi_square_p_value("moons", Moons(noise=0.11).sample(20_000, random_state=3)) < 1e-6
    assert chi_square_p_value("funnel", Funnel(scale=3.2).sample(20_000, random_state=3)) < 1e-6


@every_distribution
def test_sampler_is_seeded(distribution):
    first = distribution.sample(5, random_state=7)
    assert first.shape == (5, distribution.n_features)
    assert distribution.sample().shape == (1, distribution.n_features)
    np.testing.assert_array_equal(first, distribution.sample(5, random_state=7))
    np.testing.assert_array_equal(first, distribution.sample(5, random_state=np.random.default_rng(7)))
    assert not np.array_equal(first, distribution.sample(5, random_state=8))
    assert not np.array_equal(distribution.sample(5), distribution.sample(5))


@every_distribution
def test_rows_are_independent_of_their_block(distribution):
    X = distribution.sample(1_100, random_state=4)
    rows = [slice(0, 1), slice(511, 513), slice(1_099, 1_100)]
    for row in rows:
        np.testing.assert_allclose(distribution.score_samples(X)[row], distribution.score_samples(X[row]), rtol=1e-12)
        np.testing.assert_allclose(
            distribution.grad_log_density(X)[row], distribution.grad_log_density(X[row]), rtol=1e-12, atol=1e-11
        )


@every_distribution
def test_lists_float32_and_no_rows_are_welcome(distribution):
    X = distribution.sample(3, random_state=4).astype(np.float32)
    np.testing.assert_array_equal(distribution.score_samples(X), distribution.score_samples(X.astype(np.float64)))
    np.testing.assert_array_equal(distribution.grad_log_density(X), distribution.grad_log_density(X.tolist()))
    assert distribution.grad_log_density(X).dtype == np.float64
    assert distribution.score_samples(X[:0]).shape == (0,)
    assert distribution.grad_log_density(X[:0]).shape == (0, distribution.n_features)


@every_distribution
def test_distributions_are_frozen(distribution):
    with pytest.raises(FrozenInstanceError):
        setattr(distribution, next(iter(distribution.__dataclass_fields__)), 0)


def test_catalogue_is_complete():
    public = {getattr(datasets, name) for name in datasets.__all__ if name != "DISTRIBUTIONS"}
    assert {type(distribution) for distribution in DISTRIBUTIONS.values()} == public - {
        Distribution,
        GaussianMixtureDistribution,
    }
    assert {name: distribution.n_features for name, distribution in DISTRIBUTIONS.items()} == {
        name: 10 if "10d" in name else 2 for name in DISTRIBUTIONS
    }


# --- each distribution by a second route


def smear(curves, noise, X):
    """Log-density and score of c + noise·ε, c on curves (points, weights), by one sum over a great many points."""
    points, weights = (np.concatenate(parts) for parts in zip(*curves, strict=True))
    offsets = points - X[:, None]
    exponents = -0.5 * (offsets**2).sum(axis=-1) / noise**2
    log_mass = logsumexp(exponents, b=weights, axis=1)
    posterior = weights * np.exp(exponents - exponents.max(axis=1, keepdims=True))
    mean_offset = np.einsum("nq,nqi->ni", posterior / posterior.sum(axis=1, keepdims=True), offsets)
    return log_mass - np.log(2 * np.pi * noise**2), mean_offset / noise**2


def arc(centre, radius, start, stop, mass):
    t, w = (a.ravel() for a in panel_rule(np.linspace(start, stop, 601), 8))
    return np.asarray(centre) + radius * np.column_stack([np.cos(t), np.sin(t)]), mass * w / (stop - start)


def moons_curves():
    return [arc((0, 0), 1, 0, np.pi, 0.5), arc((1, 0.5), 1, np.pi, 2 * np.pi, 0.5)]


def rings_curves(radii):
    return [arc((0, 0), r, 0, 2 * np.pi, 1 / len(radii)) for r in radii]


def spirals_curves():
    """Three half-turns at spacing 1, drawn from their crossings −1 → 2 → −3 → 4 of the horizontal axis."""
    curves = []
    for start, stop, angle in ((-1, 2, np.pi), (2, -3, 2 * np.pi), (-3, 4, 3 * np.pi)):
        centre, radius = (start + stop) / 2, abs(stop - start) / 2
        for sign, turn in ((1, 0), (-1, np.pi)):
            curves.append(arc((sign * centre, 0), radius, angle + turn, angle + turn + np.pi, radius / 15))
    return curves


@pytest.mark.parametrize(
    ("distribution", "curves"),
    [
        (Moons(noise=0.1), moons_curves),
        (Moons(noise=1.0), moons_curves),
        (Spirals(), spirals_curves),
        (Rings(radii=(1.0, 2.0)), lambda: rings_curves((1.0, 2.0))),
        (Rings(radii=(0.0, 1.0), noise=0.5), lambda: rings_curves((0.0, 1.0))),
    ],
    ids=["moons", "moons_wide", "spirals", "rings", "rings_point"],
)
def test_smeared_curves_equal_a_sum_over_many_points(distribution, curves):
    special = [[0.0, 0.0], [0.0, 1e-9], [1.0, 0.5], [0.5, 0.25], [-1.0, 0.0], [0.0, -50.0], [60.0, 0.5], [0.0, 500.0]]
    X = np.vstack(
        [distribution.sample(20, random_state=6), np.random.default_rng(6).normal(scale=4, size=(20, 2)), special]
    )
    log_density, score = smear(curves(), distribution.noise, X)
    np.testing.assert_allclose(distribution.score_samples(X), log_density, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(distribution.grad_log_density(X), score, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("distribution", [Checkerboard(), Checkerboard(n_cells=3, noise=0.4)], ids=repr)
def test_checkerboard_equals_products_of_normal_tails(distribution):
    X = np.vstack([distribution.sample(50, random_state=6), far_points(2), [[0.5, 7.0], [-3.0, 20.0], [1.0, 1.0]]])
    middles = np.arange(distribution.n_cells) - (distribution.n_cells - 1) / 2
    distance = np.abs(X[:, :, None] - middles)
    near, far = norm.logsf((distance - 0.5) / distribution.noise), norm.logsf((distance + 0.5) / distribution.noise)
    log_b = near + np.log1p(-np.exp(far - near))
    dark = np.add.outer(np.arange(distribution.n_cells), np.arange(distribution.n_cells)) % 2 == 0
    log_cells = (log_b[:, 0, :, None] + log_b[:, 1, None, :])[:, dark]
    np.testing.assert_allclose(
        distribution.score_samples(X), logsumexp(log_cells, axis=1) - np.log(dark.sum()), rtol=1e-12
    )


@pytest.mark.parametrize("d", [2, 10])
def test_funnel_factorises(d):
    distribution = Funnel(n_features=d, scale=2.5)
    X = distribution.sample(500, random_state=6)
    expected = norm.logpdf(X[:, 0], scale=2.5) + norm.logpdf(X[:, 1:], scale=np.exp(X[:, :1] / 2)).sum(axis=1)
    np.testing.assert_allclose(distribution.score_samples(X), expected, rtol=1e-12, atol=1e-12)


def test_funnel_sampler_in_ten_dimensions():
    """v/τ and x_k e^(−v/2) are ten independent standard normals: so are their squared norms, χ² with ten degrees."""
    X = Funnel(n_features=10).sample(20_000, random_state=6)
    Z = np.column_stack([X[:, 0] / 3, X[:, 1:] * np.exp(-X[:, :1] / 2)])
    uniform = chi2(10).cdf((Z**2).sum(axis=1))
    assert chisquare(np.histogram(uniform, bins=40, range=(0, 1))[0]).pvalue > 1e-3
    assert (np.abs(np.corrcoef(Z, rowvar=False) - np.eye(10)) < 5 / np.sqrt(20_000)).all()


def test_banana_factorises():
    distribution = Banana(scale=1.5, curvature=0.3)
    X = distribution.sample(500, random_state=6)
    expected = norm.logpdf(X[:, 0], scale=1.5) + norm.logpdf(X[:, 1], loc=0.3 * (X[:, 0] ** 2 - 1.5**2))
    np.testing.assert_allclose(distribution.score_samples(X), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "distribution", [FourGaussians(), ring_of_eight(), random_mixture(3, 8)], ids=["four", "ring", "8d"]
)
def test_mixture_equals_scikit_learn(distribution):
    peer = GaussianMixture(n_components=len(distribution.weights))
    peer.weights_, peer.means_ = np.asarray(distribution.weights), np.asarray(distribution.means)
    peer.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(distribution.covariances)).transpose(0, 2, 1)
    X = distribution.sample(300, random_state=6)
    np.testing.assert_allclose(distribution.score_samples(X), peer.score_samples(X), rtol=1e-12, atol=1e-12)


def test_mixture_of_one_is_a_gaussian():
    distribution = random_mixture(1, 5)
    peer = multivariate_normal(distribution.means[0], distribution.covariances[0])
    X = distribution.sample(50, random_state=6)
    np.testing.assert_allclose(distribution.score_samples(X), peer.logpdf(X), rtol=1e-12)
    expected = -np.linalg.solve(distribution.covariances[0], (X - distribution.means[0]).T).T
    np.testing.assert_allclose(distribution.grad_log_density(X), expected, rtol=1e-9, atol=1e-12)


def test_geometry_of_scikit_learn():
    """make_moons and make_circles spread the angle evenly, so their counts are, if anything, closer to the density."""
    moons, _ = make_moons(20_000, noise=0.1, random_state=0)
    circles, _ = make_circles(20_000, noise=0.1, factor=0.5, random_state=0)
    assert chi_square_p_value("moons", moons) > 1e-3
    assert chi_square_p_value("rings_two", circles) > 1e-3


def test_arms_of_the_spiral_are_smooth_and_one_spacing_apart():
    distribution = Spirals(noise=1e-4)
    crossings = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [-2.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
    between = crossings[2:] * [0.75, 1]
    # On the middle of an arm p = 1 / (length · σ √(2π)); 15π is the length of both arms.
    on_the_arm = -np.log(15 * np.pi * 1e-4 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(distribution.score_samples(crossings[2:]), on_the_arm, atol=1e-6)
    np.testing.assert_allclose(distribution.score_samples(crossings[:2]), on_the_arm - np.log(2), atol=1e-3)
    assert (distribution.score_samples(between) < -1e6).all()
