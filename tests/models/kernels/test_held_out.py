"""Folds of distinct rows, importance draws, and log-likelihoods of whole paths against one at a time."""

import numpy as np
import pytest
from scipy import stats

from skscore.formulas.moments import moments
from skscore.likelihood import quadrature
from skscore.models import GaussianBase
from skscore.models.family import Sample
from skscore.models.folds import deal, group_rows, merge_equal
from skscore.models.kernels.held_out import log_likelihoods, proposal
from skscore.models.kernels.lite import LiteFamily


def sample(X, weight=None, Y=None):
    return Sample(X, Y, weight, moments(X, weight))


# ---- folds ---------------------------------------------------------------------------------------


def test_equal_rows_have_one_number_whatever_their_order(rng):
    X = rng.integers(0, 3, (60, 2)).astype(float)
    group, order = group_rows(X), rng.permutation(60)
    assert group.max() + 1 == len(np.unique(X, axis=0))
    for number in range(group.max() + 1):
        assert len(np.unique(X[group == number], axis=0)) == 1
    np.testing.assert_array_equal(group_rows(X[order]), group[order])


def test_equal_rows_have_one_number_however_a_product_rounds_them(rng):
    """BLAS may round the same row apart in two places of a table, which makes it two different rows elsewhere."""
    X = np.repeat(rng.random((50, 2)), 4, axis=0)
    rounded = X * (1.0 + 1e-16 * rng.integers(-1, 2, X.shape))
    assert len(np.unique(rounded, axis=0)) > 50
    for order in (slice(None), rng.permutation(200)):
        group = group_rows(X[order], rounded[order])
        np.testing.assert_array_equal(np.bincount(group), 4)
        np.testing.assert_array_equal(group, group_rows(X)[order])


def test_folds_part_the_rows_and_keep_equal_ones_together(rng):
    X, weight = rng.integers(0, 9, (200, 2)).astype(float), rng.random(200)
    folds = deal(sample(X, weight, X + 1), group_rows(X), 5, 1000)
    assert sum(len(fold.X) for fold in folds) == 200
    assert len({len(np.unique(fold.X, axis=0)) for fold in folds}) <= 2  # sizes differ by one distinct row at most
    for k, fold in enumerate(folds):
        np.testing.assert_array_equal(fold.Y, fold.X + 1)
        others = np.concatenate([other.X for other in folds[:k] + folds[k + 1 :]])
        assert not (fold.X[:, None] == others).all(axis=2).any()
    assert np.concatenate([fold.weight for fold in folds]).sum() == pytest.approx(weight.sum())


def test_of_many_rows_some_are_dealt():
    X = np.arange(1000.0)[:, None]
    folds = deal(sample(X), group_rows(X), 4, 100)
    assert [len(fold.X) for fold in folds] == [25] * 4
    assert len(deal(sample(X[:3]), group_rows(X[:3]), 5, 100)) == 3


def test_equal_rows_merge_with_their_weights():
    X, weight = np.array([[1.0], [0.0], [1.0]]), np.array([1.0, 2.0, 3.0])
    merged = merge_equal(sample(X, weight, Y=np.array([[5.0], [7.0], [1.0]])), group_rows(X))
    np.testing.assert_array_equal(merged.X, [[0.0], [1.0]])
    np.testing.assert_allclose(merged.weight, [2 / 3, 4 / 3])  # of mean one, whatever their unit
    np.testing.assert_allclose(merged.Y, [[7.0], [2.0]])


# ---- importance draws ----------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 3])
def test_the_density_of_the_draws_is_right(rng, d):
    """Its integral is one: the mean of target / proposal over the draws, for a known target."""
    centres, weight = rng.standard_normal((50, d)), rng.random(50)
    position, log_density = proposal(
        centres, weight, [stats.multivariate_normal(cov=np.eye(d)), stats.multivariate_t(shape=4 * np.eye(d), df=5)]
    )
    target = stats.multivariate_normal(mean=np.full(d, 0.3), cov=0.8 * np.eye(d))
    ratio = np.exp(target.logpdf(position) - log_density)
    assert ratio.mean() == pytest.approx(1.0, abs=4 * ratio.std() / np.sqrt(len(ratio)))


def test_log_likelihoods_of_paths_are_those_of_each_fit(rng):
    """Against quadrature, one θ at a time, with weights."""
    X, weight = rng.gamma(3.0, 0.4, (40, 1)), rng.random(40)
    bases = [GaussianBase(1.0, 1.0), GaussianBase(1.0, 2.0)]
    family = LiteFamily(X[:6], np.eye(1) / 0.5, np.eye(6), bases[0])
    thetas = rng.standard_normal((2, 2, 3, 6))
    folds = [(X[:20], weight[:20]), (X[20:], None)]
    draws = proposal(X, weight, [stats.multivariate_normal(mean=[1.0], cov=[[4.0]])])
    values, ess = log_likelihoods(family, bases, thetas, folds, draws)
    assert values.shape == ess.shape == (2, 2, 3)
    assert ((ess > 0.02) & (ess <= 1.0)).all()
    for (s, k, i), value in np.ndenumerate(values):
        theta, (rows, w) = thetas[s, k, i], folds[k]

        def log_p(T, s=s, theta=theta):
            return family.statistics(T) @ theta + bases[s].log_density(T)

        expected = np.average(log_p(rows), weights=w) - quadrature(log_p, 1).log_z
        error = np.sqrt((1 / ess[s, k, i] - 1) / len(draws[0]))
        assert value == pytest.approx(expected, abs=5 * error + 1e-9)


def test_draws_of_the_target_itself_are_all_effective():
    base = GaussianBase()
    family = LiteFamily(np.zeros((1, 1)), np.eye(1), np.eye(1), base)
    position = np.random.default_rng(0).standard_normal((500, 1))
    values, ess = log_likelihoods(
        family, [base], np.zeros((1, 1, 1, 1)), [(position, None)], (position, base.log_density(position))
    )
    np.testing.assert_allclose(ess, 1.0)
    np.testing.assert_allclose(values[0, 0, 0], base.log_density(position).mean())
