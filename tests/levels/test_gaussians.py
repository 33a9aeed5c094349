"""Mixtures of Gaussians: densities of scipy, fits as likely as scikit-learn's, and log-densities of rows not seen."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from skscore.formulas.moments import moments
from skscore.levels import gaussians as module
from skscore.levels.gaussians import Gaussians, gaussian_path, gaussians_to_offer
from skscore.maps.cell_points import cell_points


@pytest.fixture
def gaussians(rng):
    A = rng.standard_normal((4, 3, 3))
    return Gaussians(np.array([0.1, 0.2, 0.3, 0.4]), 2.0 * rng.standard_normal((4, 3)), A @ A.mT + 0.1 * np.eye(3))


def clusters(rng, n=600, d=2):
    """Rows of three Gaussians, of which one is long."""
    k = rng.integers(3, size=n)
    scales = np.array([[0.3, 0.3], [1.5, 0.2], [0.5, 0.8]])
    X = np.array([[-3.0, 0.0], [0.0, 2.0], [3.0, -1.0]])[k] + scales[k] * rng.standard_normal((n, 2))
    return X - X.mean(axis=0)


def points_of(rows):
    return cell_points(rows, [None] * rows.shape[1], moments(rows), 1)


def test_density_is_scipys(gaussians, rows):
    parts = zip(gaussians.means, gaussians.covariances, strict=True)
    of_each = np.column_stack([stats.multivariate_normal(*part).logpdf(rows) for part in parts])
    assert_allclose(gaussians.log_density(rows), logsumexp(of_each, axis=1, b=gaussians.weights), rtol=1e-10)


def test_derivatives(gaussians, rows, rng, central):
    V, hessian = rng.standard_normal(rows.shape), central(gaussians.score, rows)
    assert_allclose(gaussians.score(rows), central(gaussians.log_density, rows), rtol=1e-6, atol=1e-6)
    assert_allclose(gaussians.curvature(rows, V), np.einsum("ni,nij,nj->n", V, hessian, V), rtol=1e-6, atol=1e-5)
    assert_allclose(gaussians.curvature(rows, np.eye(3)[1]), hessian[:, 1, 1], rtol=1e-6, atol=1e-5)


def test_samples(rng):
    pair = Gaussians(np.array([0.25, 0.75]), np.array([[-3.0], [3.0]]), np.array([[[1.0]], [[4.0]]]))
    x = pair.sample(20_000, rng)[:, 0]
    assert stats.kstest(x, lambda t: 0.25 * stats.norm.cdf(t, -3, 1) + 0.75 * stats.norm.cdf(t, 3, 2)).pvalue > 1e-3


def test_blocks_of_rows_and_a_pickle_change_nothing(gaussians, rows, monkeypatch):
    def values(density):
        return [density.log_density(rows), density.score(rows), density.curvature(rows, rows)]

    whole = values(gaussians)
    monkeypatch.setattr(module, "BLOCK", 70)  # seven rows
    for found in (values(gaussians), values(pickle.loads(pickle.dumps(gaussians)))):
        for one, other in zip(found, whole, strict=True):
            assert_allclose(one, other, rtol=1e-12)


def test_noise_is_a_convolution(gaussians, rows, rng):
    noise = 0.5 * rng.standard_normal((40_000, 3))
    mean = np.exp(gaussians.log_density(rows[:1] + noise)).mean()
    assert np.exp(gaussians.with_noise(0.5).log_density(rows[:1]))[0] == pytest.approx(mean, rel=0.05)


# ---- the fit --------------------


def test_the_first_is_the_reference_gaussian_and_sizes_double(rng):
    X, variance = clusters(rng, n=100), np.array([3.0, 2.0])
    path = gaussian_path(X, variance)
    assert [len(mixture.weights) for mixture in path] == [1, 2, 4, 8]  # at least ten rows for each
    assert_allclose(path[0].log_density(X), stats.norm.logpdf(X, scale=np.sqrt(variance)).sum(axis=1))
    assert [len(mixture.weights) for mixture in gaussian_path(X, variance, most=3.0)] == [1, 2]


def mean_and_covariance(density):
    mean = density.weights @ density.means
    between = density.means - mean
    within = np.einsum("k,kij->ij", density.weights, density.covariances)
    return mean, within + (density.weights[:, None] * between).T @ between


def test_two_halves_have_the_moments_of_the_whole(gaussians):
    halves = module._split(gaussians)
    for one, other in zip(mean_and_covariance(halves), mean_and_covariance(gaussians), strict=True):
        assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_as_likely_as_scikit_learns(rng):
    """Their own fixed point from here is no likelier than what a prior of one row costs."""
    X = clusters(rng, n=2000)
    ours = gaussian_path(X, X.var(axis=0), most=4)[-1]
    theirs = GaussianMixture(
        4, weights_init=ours.weights, means_init=ours.means, precisions_init=np.linalg.inv(ours.covariances)
    ).fit(X)
    restarted = GaussianMixture(4, n_init=5, random_state=0).fit(X)
    fresh = clusters(np.random.default_rng(1), n=5000)
    assert abs(ours.log_density(fresh).mean() - theirs.score(fresh)) < 0.01
    assert ours.log_density(fresh).mean() > restarted.score(fresh) - 0.02


def test_a_step_is_likelier_and_ends_where_it_stays(rng, monkeypatch):
    """The posterior density grows with each step, and the covariances are the formula's where it ends."""
    X, variance = clusters(rng, n=200), np.array([3.0, 2.0])
    monkeypatch.setattr(module, "STALLED", 1e-13)
    monkeypatch.setattr(module, "MAX_ROUNDS", 3000)
    end = gaussian_path(X, variance, most=4)[-1]
    of_each = [
        np.log(w) + stats.multivariate_normal(m, C).logpdf(X)
        for w, m, C in zip(end.weights, end.means, end.covariances, strict=True)
    ]
    r = np.exp(of_each - logsumexp(of_each, axis=0))
    for k in range(4):
        centred = X - end.means[k]
        prior = len(end.weights) ** (-2 / 2) * np.diag(variance)
        assert_allclose(end.covariances[k], ((r[k] * centred.T) @ centred + prior) / (r[k].sum() + 1.0), atol=1e-4)


def test_a_repeated_row_is_a_row_of_weight_two_and_order_is_nothing(rng):
    X = clusters(rng, n=150)
    weight = rng.integers(1, 4, 150)
    variance = np.array([3.0, 2.0])
    weighted = gaussian_path(X, variance, weight.astype(float))
    repeated = gaussian_path(rng.permutation(np.repeat(X, weight, axis=0)), variance)
    assert len(weighted) == len(repeated) > 3
    for one, other in zip(weighted, repeated, strict=True):
        assert_allclose(one.log_density(X), other.log_density(X), rtol=1e-7, atol=1e-7)


# ---- the offer --------------------


def test_rows_are_judged_by_fits_that_have_not_seen_them(rng):
    X, variance = clusters(rng, n=120), np.array([3.0, 2.0])
    folds = np.array_split(rng.permutation(120), 3)
    offer = gaussians_to_offer(X, variance, folds)([points_of(X[fold[:7]]) for fold in folds], 0.1)
    assert offer.log_p.shape == (21, 4)
    for k, fold in enumerate(folds):
        path = gaussian_path(np.delete(X, fold, axis=0), variance)
        expected = np.column_stack([mixture.with_noise(0.1).log_density(X[fold[:7]]) for mixture in path])
        assert_allclose(offer.log_p[7 * k : 7 * k + 7], expected, rtol=1e-8)


def test_the_part_is_the_mean_of_the_sizes_fitted_to_all_rows(rng):
    X, variance = clusters(rng, n=300), np.array([3.0, 2.0])
    offer = gaussians_to_offer(X, variance, [np.arange(30)])([points_of(X[:30])], 0.1)
    shares = np.array([0.25, 0.0, 0.75, 0.0, 0.0])
    part = offer.part(shares)
    assert len(part.weights) == 1 + 4
    assert part.weights.sum() == pytest.approx(1.0)
    path = [mixture.with_noise(0.1) for mixture in gaussian_path(X, variance)]
    expected = logsumexp([path[0].log_density(X), path[2].log_density(X)], axis=0, b=[[0.25], [0.75]])
    assert_allclose(part.log_density(X).mean(), expected.mean(), atol=0.02)


@pytest.mark.parametrize("n", [2, 3, 11])
def test_few_rows_have_the_reference_alone(rng, n):
    X = rng.standard_normal((n, 2))
    offer = gaussians_to_offer(X, np.ones(2), [np.array([1])])([points_of(X[1:2])], 0.1)
    assert_allclose(offer.log_p, [[stats.norm.logpdf(X[1], scale=np.sqrt(1.01)).sum()]])
    assert_array_equal(offer.part(np.ones(1)).means, np.zeros((1, 2)))


def test_rows_that_repeat_each_other_leave_a_density(rng):
    X = np.repeat(rng.standard_normal((30, 2)), 10, axis=0) @ np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    offer = gaussians_to_offer(X, np.ones(3), [np.arange(0, 300, 10)])([points_of(X[::10])], 0.01)
    assert np.isfinite(offer.log_p).all()
    part = offer.part(np.full(offer.log_p.shape[1], 1 / offer.log_p.shape[1]))
    assert np.linalg.eigvalsh(part.covariances).min() >= 0.999e-4
    assert np.isfinite(part.score(X)).all()


def test_wide_tables_are_served_in_time_or_not_at_all():
    for n, d, n_fits, most in ((10**6, 10, 1, 128.0), (600, 27, 10, 30.0), (5000, 100, 1, 10.0), (300, 784, 10, 2.0)):
        rows, components = module._afforded(n, d, n_fits)
        n_features = (d + 1) * (d + 2) // 2
        assert len(rows) * n_features <= module.MOST_NUMBERS
        assert rows.max() < n
        assert (components >= most) == (d < 784)
