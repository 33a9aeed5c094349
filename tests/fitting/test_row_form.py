"""Blocks held by their rows are the blocks: every product, and every estimate."""

import numpy as np
import pytest

from skscore.domains import Box, Orthant
from skscore.formulas.moments import Summary, moments
from skscore.models.family import Sample
from skscore.models.interactions import family as pairwise_family
from skscore.models.interactions.form import interaction_form, multiplied, profile, profiled, row_form
from skscore.models.interactions.pairwise import PairwiseInteraction, TruncatedGaussian
from skscore.models.interactions.shrinkage import shrunk
from skscore.models.objectives import Implicit

P = 5
MODELS = {
    "truncated": TruncatedGaussian(),
    "centred": TruncatedGaussian(centered=True),
    "multiplied": TruncatedGaussian(diagonal_multiplier=1.5),
    "box": TruncatedGaussian(Box(-1.0, 9.0)),
    "square root": PairwiseInteraction(0.5, 0.5, domain=Orthant()),
    "gamma": PairwiseInteraction(0.5, 0.0, domain=Orthant()),
}


def rows(rng, n=40):
    return 0.2 + rng.gamma(3.0, 0.4, size=(n, P)) @ (np.eye(P) + 0.3 * np.eye(P, k=1))


def bound(model, X):
    return model.choose(Sample(X, None, None, moments(X)), Implicit(), 0.0, "log_likelihood").family


@pytest.fixture(params=MODELS)
def pair(request, rng):
    """The form of one table in blocks and by rows, and its family."""
    X, weight = rows(rng), rng.uniform(0.5, 2.0, 40)
    family = bound(MODELS[request.param], X)
    h, h_slope = family.weights(X)
    parts = X, weight, family.a, family.b, h, h_slope
    named = {"centered": family.centered, "centre": family.centre}
    return interaction_form(*parts, **named), row_form(*parts, **named), family


def assert_same(blocks, by_rows, theta):
    np.testing.assert_allclose(by_rows.g, blocks.g, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_rows.product(theta) - by_rows.g, blocks.gradient(theta), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(by_rows.value(theta), blocks.value(theta), rtol=1e-10)
    np.testing.assert_allclose(by_rows.diagonal, np.diagonal(blocks.Gamma, axis1=1, axis2=2), rtol=1e-9)
    kept = np.arange(theta.shape[1]) % 2 == 0
    for j, block in enumerate(blocks.Gamma):
        np.testing.assert_allclose(by_rows.block(j), block, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(by_rows.block(j, kept), block[np.ix_(kept, kept)], rtol=1e-9, atol=1e-10)


def test_rows_are_their_blocks(pair, rng):
    blocks, by_rows, family = pair
    assert_same(blocks, by_rows, rng.standard_normal(blocks.g.shape))
    K = rng.standard_normal((P, P))
    own = [family.interactions_form(form) for form in (blocks, by_rows)]
    assert_same(*own, K)
    assert_same(*(multiplied(form, 1.3, P) for form in (blocks, by_rows)), rng.standard_normal(blocks.g.shape))
    plain = (blocks, by_rows) if family.centered else (profiled(blocks, P), profiled(by_rows, P))
    assert_same(*plain, K)
    assert_same(*map(shrunk, plain), K)
    if not family.centered:
        np.testing.assert_allclose(profile(by_rows, K), profile(blocks, K), rtol=1e-10)


def test_forms_of_rows_merge(pair, rng):
    blocks, by_rows, _ = pair
    assert_same(blocks + blocks, by_rows + by_rows, rng.standard_normal(blocks.g.shape))


@pytest.mark.parametrize("symmetric", [True, "and"])
@pytest.mark.parametrize("penalty", [(0.0, 1.0), (0.1, 1.0), (0.1, 0.5), (0.1, 0.0)])
@pytest.mark.parametrize("name", MODELS)
def test_estimates_are_the_same(name, penalty, symmetric, rng, monkeypatch):
    (alpha, l1_ratio), X, thetas = penalty, rows(rng), []
    for most_bytes in (1 << 30, 0):
        monkeypatch.setattr(pairwise_family, "MAX_BLOCK_BYTES", most_bytes)
        family = bound(MODELS[name], X).penalised(l1_ratio, symmetric)
        statistics = Summary(moments(X), family.assemble(X, None, None, Implicit()))
        theta = family.solve(statistics, Implicit(), alpha).theta
        thetas.append(np.append(theta, family.objective_value(theta, statistics, Implicit())))
    np.testing.assert_allclose(thetas[1], thetas[0], rtol=1e-7, atol=1e-8)
