"""An l1 penalty on the linear part: its conditions, through every form of the objective."""

from math import comb

import numpy as np
import pytest

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import Capped, Orthant, Power
from skscore.models import PairwiseInteraction
from skscore.models.interactions import family as pairwise_family
from skscore.models.interactions.sparse import SparseObjective
from skscore.models.objectives import Explicit, Implicit

TAU = 2.0
MODELS = {
    "gaussian": PairwiseInteraction(linear_penalty=TAU),
    "truncated": PairwiseInteraction(domain=Orthant(), weight=Capped(Power(1.0), 1.0), linear_penalty=TAU),
    "gamma": PairwiseInteraction(0.5, 0.0, domain=Orthant(), weight=Capped(Power(2.0), 1.0), linear_penalty=TAU),
    "multiplied": PairwiseInteraction(diagonal_multiplier=1.5, linear_penalty=TAU),
}


def rows(rng, n=300):
    return 0.3 + np.abs(rng.standard_normal((n, 3)) @ (np.eye(3) + 0.4 * np.eye(3, k=1)))


def density(name, alpha, **parameters):
    return ScoreMatchingDensity(MODELS[name], alpha=alpha, l1_ratio=1.0, **parameters)


def assert_optimal(g, theta, bound):
    """−g lies in the box of the penalty, at its end where θ ≠ 0."""
    kept = theta != 0.0
    np.testing.assert_allclose(g[kept], -(bound * np.sign(theta))[kept], atol=1e-8)
    assert (np.abs(g[~kept]) <= bound[~kept] + 1e-8).all()


@pytest.mark.parametrize("alpha", [0.02, 0.3])
@pytest.mark.parametrize(
    ("name", "objective"),
    [("gaussian", "implicit"), ("truncated", "implicit"), ("gamma", "implicit"), ("gaussian", "explicit")],
)
def test_the_fit_is_optimal(name, objective, alpha, rng):
    X = rows(rng)
    Y = 0.5 - X if objective == "explicit" else None
    fitted = density(name, alpha, objective=objective).fit(X, Y)
    family, theta = fitted._fit.family, fitted._fit.density.theta
    gradient = family.form(fitted._fit.summary, Explicit() if Y is not None else Implicit()).gradient(theta)
    i, j = family.pairs
    assert_optimal(gradient, theta, alpha * np.concatenate([np.where(i == j, 0.0, 2.0), np.full(3, TAU)]))
    np.testing.assert_array_equal(fitted.linear_, theta[family.n_interactions :])


@pytest.mark.parametrize("name", MODELS)
def test_rows_in_the_place_of_blocks_lead_to_the_same(name, rng, monkeypatch):
    X = rows(rng)
    wanted = density(name, 0.1).fit(X)
    monkeypatch.setattr(pairwise_family, "MAX_BLOCK_BYTES", 0)
    by_rows = density(name, 0.1).fit(X)
    np.testing.assert_allclose(by_rows.theta_, wanted.theta_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("symmetric", [True, "and", "or"])
def test_a_strong_penalty_leaves_no_edge_and_no_linear_part(symmetric, rng):
    fitted = density("gaussian", 50.0, symmetric=symmetric).fit(rows(rng))
    np.testing.assert_array_equal(fitted.linear_, 0.0)
    np.testing.assert_array_equal(fitted.interaction_, np.diag(np.diag(fitted.interaction_)))


def test_the_greatest_penalty_of_the_path_is_where_all_of_it_vanishes(rng):
    X = rows(rng)
    fitted = density("gaussian", 1.0).fit(X)
    fit = fitted._fit
    greatest = SparseObjective(fit.family, fit.family.blocks(fit.summary, Implicit())).greatest_alpha()
    for share, n_kept in ((1.0001, 3), (0.9999, 4)):
        theta = density("gaussian", share * greatest).fit(X).theta_
        assert (theta != 0.0).sum() == n_kept


def test_what_it_left_out_has_no_error_and_the_rest_has(rng):
    fitted = density("gaussian", 0.3, inference=True).fit(rng.normal([1.0, 0.0, 0.0], 1.0, (400, 3)))
    np.testing.assert_array_equal(fitted.standard_errors_ > 0.0, fitted.theta_ != 0.0)
    assert (fitted.linear_[1:] == 0.0).all()


@pytest.mark.parametrize("selection", ["cv", "smic"])
def test_it_is_chosen_along_a_path(selection, rng):
    X = rng.normal([1.0, 0.0, 0.0], 1.0, (400, 3))
    path = ScoreMatchingDensityCV(MODELS["gaussian"], selection=selection, n_alphas=8).fit(X)
    assert np.isfinite(path.cv_results_["mean_test_score"]).all()
    np.testing.assert_allclose(density("gaussian", path.alpha_).fit(X).theta_, path.theta_, rtol=1e-7, atol=1e-9)


def test_a_graph_is_refitted_without_it(rng):
    """Of independent columns it is the fit without edges and without a penalty: that of each column by itself."""
    X = rng.normal([1.0, 0.0, 0.0], 1.0, (400, 3))
    chosen = ScoreMatchingDensityCV(MODELS["gaussian"], selection="ebic", n_alphas=8).fit(X)
    np.testing.assert_allclose(chosen.interaction_, np.diag(1.0 / X.var(axis=0)), rtol=1e-9)
    np.testing.assert_allclose(chosen.linear_, X.mean(axis=0) / X.var(axis=0), rtol=1e-8)


@pytest.mark.filterwarnings("ignore:the chosen alpha")
@pytest.mark.parametrize("name", ["gaussian", "truncated"])
def test_the_extended_criterion_counts_what_the_penalty_leaves(name, rng):
    """2nJ with the penalty, and log n for each pair and each linear parameter, of which any may be chosen."""
    X, alphas, gamma = rows(rng), [1.0, 0.3, 0.1, 0.01], 0.7
    path = {"selection": "ebic", "refit": False, "calibrate": False, "gamma": gamma}
    values = ScoreMatchingDensityCV(MODELS[name], alphas=alphas, **path).fit(X).cv_results_["mean_test_score"]
    counts = set()
    for alpha, value in zip(alphas, values, strict=True):
        fitted = density(name, alpha).fit(X)
        off_diagonal = fitted.interaction_[np.triu_indices(3, 1)]
        penalty = alpha * (2.0 * np.abs(off_diagonal).sum() + TAU * np.abs(fitted.linear_).sum())
        chosen = np.count_nonzero(off_diagonal), np.count_nonzero(fitted.linear_)
        models = sum(np.log(comb(3, k)) for k in chosen)
        criterion = 600.0 * (fitted.objective_ + penalty) + sum(chosen) * np.log(300.0) + 2.0 * gamma * models
        assert value == pytest.approx(-criterion, rel=1e-9)
        counts.add(chosen[1])
    assert len(counts) > 1
