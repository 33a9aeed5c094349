"""Rows are evaluated in blocks, of which no value shows, and the memory beside rows and answer is that of a block."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.preprocessing import PowerTransformer

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity
from skscore.domains import Orthant
from skscore.estimators import evaluation
from skscore.models import Kernel, PairwiseInteraction

METHODS = ["score_samples", "grad_log_density", "hyvarinen_score"]
DENSITIES = {
    "gaussian": ScoreMatchingDensity(),
    "pairwise": ScoreMatchingDensity(PairwiseInteraction(domain=Orthant()), alpha=0.1, random_state=0),
    "polynomial": ScoreMatchingDensity("polynomial", alpha=0.1, random_state=0),
    "kernel": ScoreMatchingDensity(Kernel(20, bandwidth=1.0), alpha=0.1, random_state=0),
    "ladder": DenoisingScoreEstimator("gaussian", sigma_min=0.1, n_levels=6, n_likelihood_steps=4, random_state=0),
    "transformed": TransformedDensity(ScoreMatchingDensity(), PowerTransformer()),
}


def positive(n):
    return np.exp(0.3 * np.random.default_rng(4).standard_normal((n, 3)))


@pytest.fixture(params=DENSITIES)
def fitted(request):
    return DENSITIES[request.param].fit(positive(200))


def extra_memory(function, n):
    """The most that a function of n rows needs beside them and its answer, in bytes."""
    X = positive(n)
    tracemalloc.start()
    try:
        answer = function(X)
        return tracemalloc.get_traced_memory()[1] - answer.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_rows(fitted, method, monkeypatch):
    monkeypatch.setattr(evaluation, "BLOCK_BYTES", 24 * 500)  # 500 rows
    function = getattr(fitted, method)
    function(positive(1000))
    few, many = (extra_memory(function, n) for n in (1000, 4000))
    assert many - few < 0.1 * 24 * 3000


def test_the_block_is_no_large_part_of_memory():
    fitted = ScoreMatchingDensity().fit(positive(200))
    n = 4 * evaluation.BLOCK_BYTES // 24
    assert extra_memory(fitted.score_samples, n) < 4 * evaluation.BLOCK_BYTES


@pytest.mark.parametrize("method", METHODS)
def test_no_value_depends_on_the_block(fitted, method, monkeypatch):
    X = positive(50)
    X[::7] *= -1.0  # outside the domain, if it has a boundary
    expected = getattr(fitted, method)(X)
    for n_rows in (1, 7, 49):
        monkeypatch.setattr(evaluation, "BLOCK_BYTES", 24 * n_rows)
        assert_allclose(getattr(fitted, method)(X), expected, rtol=1e-9, atol=1e-9)


def test_directions_of_each_row_and_of_all(fitted, monkeypatch):
    X, V = positive(50), np.random.default_rng(5).standard_normal((50, 3))
    expected = [fitted.curvature(X, V), fitted.curvature(X, V[0])]
    monkeypatch.setattr(evaluation, "BLOCK_BYTES", 24 * 8)
    assert_allclose([fitted.curvature(X, V), fitted.curvature(X, V[0])], expected, rtol=1e-9, atol=1e-9)


def test_single_precision_stays(monkeypatch):
    X = positive(50).astype(np.float32)
    fitted = ScoreMatchingDensity().fit(X)
    expected = fitted.grad_log_density(X)
    monkeypatch.setattr(evaluation, "BLOCK_BYTES", 24 * 8)
    assert fitted.grad_log_density(X).dtype == expected.dtype


def test_rows_of_a_kernel_density_are_evaluated_alike_in_any_order_of_memory(rng):
    X = rng.standard_normal((3000, 3))
    density = ScoreMatchingDensity(Kernel(n_landmarks=100), random_state=0)
    c, f = (clone(density).fit(order(X)) for order in (np.array, np.asfortranarray))
    one_by_one = np.concatenate([c.score_samples(row[None]) for row in X[:50]])
    assert_allclose(f.score_samples(X), c.score_samples(X), rtol=0.0, atol=1e-8)
    assert_allclose(one_by_one, c.score_samples(X)[:50], rtol=0.0, atol=1e-10)


@pytest.mark.filterwarnings("ignore:.*draws ran off to infinity")
@pytest.mark.parametrize(("n", "largest"), [(10, 100.0), (3, 1000.0)])
def test_a_polynomial_ladder_of_few_rows_draws_numbers(n, largest):
    X = np.random.default_rng(3).standard_normal((n, 2))
    drawn = DenoisingScoreEstimator("polynomial", random_state=0).fit(X).sample(200)
    assert np.isfinite(drawn).all()
    assert np.abs(drawn).max() < largest


def test_a_ladder_that_memory_cannot_hold_is_refused_before_the_work(rng):
    with pytest.raises(ValueError, match=r"terms in 50 columns.*GB\. Set interaction_degree=1"):
        DenoisingScoreEstimator("polynomial").fit(rng.standard_normal((200, 50)))
