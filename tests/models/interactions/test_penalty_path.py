"""Paths of penalties and the criteria along them: against genscore, refits, and each row's own gradient."""

import json
import weakref

import numpy as np
import pytest

from skscore.domains import Orthant, Simplex
from skscore.fitting.criteria import ebic, one_standard_error, smic
from skscore.fitting.inference import Gradients, sandwich
from skscore.fitting.interaction_problem import InteractionProblem
from skscore.fitting.interactions import path as solve_path
from skscore.fitting.unpenalised import solve_unpenalised
from skscore.formulas.moments import Summary, moments
from skscore.formulas.quadratic import QuadraticForm
from skscore.models import Gaussian, PairwiseInteraction, Polynomial, TruncatedGaussian
from skscore.models.family import Sample
from skscore.models.folds import deal, group_rows
from skscore.models.interactions.form import default_multiplier, moment_form, profile, profiled
from skscore.models.interactions.null_gain import gains_by_rows, null_gains
from skscore.models.interactions.penalty_path import (
    PathProblem,
    automatic_alphas,
    by_ebic,
    by_folds,
    by_smic,
    fold_statistics,
    penalty_path,
)
from skscore.models.objectives import Implicit
from skscore.models.standard_errors import gradients


def rows(rng, n=60, p=5):
    return rng.gamma(2.0, 1.0, (n, p)) @ (np.eye(p) + 0.5 * np.eye(p, k=1))


def bound(model, X, l1_ratio=1.0, symmetric=True):
    """PathProblem of a path, and sample, of a model on these rows."""
    sample = Sample(X, None, None, moments(X))
    family = model.choose(sample, Implicit(), 0.0, "log_likelihood").family.penalised(l1_ratio, symmetric)
    statistics = Summary(sample.moments, family.assemble(X, None, None, Implicit()))
    return PathProblem(family, statistics, Implicit()), sample


# ---- genscore ------------------------------------------------------------------------------------


@pytest.fixture
def genscore(reference):
    case = json.loads((reference / "genscore_estimate_ebic_cv.json").read_text())["gauss_p30_n80"]
    return case, np.loadtxt(reference / "data" / "gauss_p30_n80.csv", delimiter=",", skiprows=1)


def as_in_genscore(X, n, multiplier):
    """Its form: the multiplier reaches moments about the origin, before η is minimised over."""
    form, i = moment_form(moments(X)), np.arange(X.shape[1])
    Gamma = form.Gamma.copy()
    Gamma[i, i] *= multiplier
    return QuadraticForm(Gamma, form.g, 0.0, n)


def test_extended_criterion_and_path_are_those_of_genscore(genscore):
    case, X = genscore
    n, p = X.shape
    own = profiled(as_in_genscore(X, n, default_multiplier(n, p)), p)
    fits = solve_path(InteractionProblem(own), case["lambda1s"])
    np.testing.assert_allclose([fit.K.ravel() for fit in fits], np.reshape(case["K"], (-1, p * p)), atol=1e-8)
    edges = np.array([(np.count_nonzero(fit.K) - p) // 2 for fit in fits])
    np.testing.assert_array_equal(edges, case["n_edges"])
    for k, gamma in enumerate((0.0, 0.5, 1.0)):
        values = ebic(np.array([fit.value for fit in fits]), edges, n, p, gamma)
        np.testing.assert_allclose(values, np.array(case["BICs_gamma_0_05_1"])[:, k], rtol=1e-8)
    plain = InteractionProblem(profiled(moment_form(moments(X)), p))
    refits = np.array(case["BIC_refits_gamma_0_05_1"], dtype=float)[:, 1]
    for fit, m, expected in zip(fits, edges, refits, strict=True):
        if np.isfinite(expected):
            value = solve_unpenalised(plain, fit.K != 0.0).value
            assert ebic(value, m, n, p, 0.5) == pytest.approx(expected, rel=1e-8)


def test_losses_of_rows_held_out_are_those_of_genscore(genscore):
    case, X = genscore
    p = X.shape[1]
    for k, held_out in enumerate(case["folds_1based"]):
        out = np.isin(np.arange(len(X)), np.array(held_out) - 1)
        n = int((~out).sum())
        train = as_in_genscore(X[~out], n, default_multiplier(len(X), p))
        judge = moment_form(moments(X[out]))
        for fit, losses in zip(
            solve_path(InteractionProblem(profiled(train, p)), case["lambda1s"]), case["cv_losses"], strict=True
        ):
            theta = np.hstack([fit.K, profile(train, fit.K)])
            assert judge.value(theta) == pytest.approx(losses[k], rel=1e-7)


# ---- paths ---------------------------------------------------------------------------------------

MODELS = {
    "gaussian": PairwiseInteraction(),
    "truncated": TruncatedGaussian(),
    "square roots": PairwiseInteraction(0.5, 0.5, domain=Orthant()),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
def test_a_path_begins_without_edges_and_each_fit_is_optimal(rng, name, l1_ratio):
    target, _ = bound(MODELS[name], rows(rng), l1_ratio)
    alphas = automatic_alphas(target, 6)
    path = penalty_path(target, alphas)
    assert path.n_edges[0] == 0
    assert path.n_edges[-1] > 3
    assert penalty_path(target, [0.999 * alphas[0]]).n_edges[0] > 0
    for alpha, theta in zip(alphas, path.thetas, strict=True):
        value = target.sparse.value(theta, alpha)
        for _ in range(20):
            other = theta + 1e-3 * rng.standard_normal(len(theta)) * np.abs(theta).max()
            assert target.sparse.value(other, alpha) > value


@pytest.mark.parametrize("symmetric", [True, "and", "or"])
def test_warm_starts_change_nothing(rng, symmetric):
    target, _ = bound(PairwiseInteraction(), rows(rng), 1.0, symmetric)
    alphas = automatic_alphas(target, 5)
    warm = penalty_path(target, alphas)
    for alpha, theta, edges in zip(alphas, warm.thetas, warm.edges, strict=True):
        cold = target.family.solve(target.statistics, Implicit(), alpha).theta
        np.testing.assert_allclose(cold, theta, rtol=1e-8, atol=1e-9)
        np.testing.assert_array_equal(edges, edges.T)


def test_and_has_no_more_edges_than_or(rng):
    counts = []
    for symmetric in ("and", "or"):
        target, _ = bound(PairwiseInteraction(), rows(rng), 1.0, symmetric)
        counts.append(penalty_path(target, [0.2, 0.1, 0.05]).n_edges)
    assert (counts[0] <= counts[1]).all()


def test_the_simplex_has_a_path(rng):
    X = rng.dirichlet([2.0, 3.0, 4.0, 3.0], 200)
    target, _ = bound(PairwiseInteraction(0, 0, domain=Simplex()), X)
    alphas = automatic_alphas(target, 5)
    path = penalty_path(target, alphas)
    assert path.n_edges[0] == 0 < path.n_edges[-1]


# ---- criteria ------------------------------------------------------------------------------------


def test_folds_judge_as_refits_do(rng):
    X = rows(rng)
    target, sample = bound(PairwiseInteraction(), X)
    alphas = np.array([0.3, 0.03])
    mean, error, values = by_folds(target, fold_statistics(target, deal(sample, group_rows(X), 3, 60)), alphas)
    assert values.shape == (3, 2)
    np.testing.assert_allclose(mean, values.mean(axis=0))  # 60 rows in 3 folds
    np.testing.assert_allclose(error, values.std(axis=0, ddof=1) / np.sqrt(3))


def test_a_refitted_graph_is_judged_without_penalty(rng):
    X = rows(rng)
    target, sample = bound(PairwiseInteraction(diagonal_multiplier=1.5), X)
    path = penalty_path(target, [0.3, 0.1])
    values, thetas = by_ebic(target, sample, path, 0.5, refit=True, calibrate=False)
    for edges, value, judged in zip(path.edges, values, thetas, strict=True):
        theta = target.family.on_graph(edges).solve(target.statistics, Implicit(), 0.0).theta
        np.testing.assert_array_equal(judged, theta)
        K, _ = target.family.unpack(theta)
        assert not K[~edges & ~np.eye(5, dtype=bool)].any()
        J = target.value(theta)
        assert value == pytest.approx(ebic(J, edges.sum() // 2, 60, 5, 0.5), rel=1e-9)


@pytest.mark.parametrize("model", [*MODELS.values(), PairwiseInteraction(0, 0, domain=Simplex())], ids=repr)
def test_gradients_of_rows_average_to_the_gradient_of_the_form(rng, model):
    X = rng.dirichlet([2.0, 3.0, 4.0], 50) if "Simplex" in repr(model) else rows(rng, p=3)
    target, sample = bound(model, X, 0.0)
    theta = rng.standard_normal(target.family.n_parameters)
    sums = gradients(target.family, theta, *sample[:3], Implicit())
    expected = target.family.form(target.statistics, Implicit()).gradient(theta)
    np.testing.assert_allclose(sums.first / len(X), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("model", [PairwiseInteraction(centered=True), Gaussian(assume_centered=True)])
def test_the_information_criterion_counts_parameters_where_the_model_is_right(rng, model):
    """tr(I Γ⁻¹) is Σψᵀ Γ⁻¹ψ / n; for N(0, 1) with a free precision it is E[(x² − 1)²]/E[x²] = 2."""
    X = rng.standard_normal((20_000, 1))
    target, sample = bound(model, X, 0.0)
    path = penalty_path(target, [0.0])
    value = by_smic(target, sample, path)[0]
    objective = target.value(path.thetas[0])
    assert value - 20_000 * objective == pytest.approx(2.0, abs=0.2)
    assert smic(1.0, np.eye(2), np.diag([1.0, 3.0]), 10.0) == pytest.approx(14.0)


def test_the_information_criterion_has_no_units(rng):
    """K and η of columns in tiny units differ in size by many orders."""
    X = rng.standard_normal((200, 3))
    values = []
    for unit in (1.0, 1e-8, 1e8):
        target, sample = bound(PairwiseInteraction(), unit * X, 0.0)
        values.append(unit**2 * by_smic(target, sample, penalty_path(target, [0.0]))[0])
    np.testing.assert_allclose(values, values[0], rtol=1e-9)


def test_one_standard_error_prefers_the_stronger_penalty():
    assert one_standard_error(np.array([5.0, 2.0, 1.5, 1.4, 2.0]), np.full(5, 0.2)) == 2
    assert one_standard_error(np.array([1.0, 2.0]), np.zeros(2)) == 0


# ---- the sandwich --------------------------------------------------------------------------------


def test_gradients_merge_and_their_covariance_is_that_of_the_mean(rng):
    psi, weight = rng.standard_normal((50, 3)), rng.random(50)
    whole = Gradients.of_rows(psi, weight)
    parts = Gradients.of_rows(psi[:20], weight[:20]) + Gradients.of_rows(psi[20:], weight[20:])
    np.testing.assert_allclose(parts.covariance_of_mean(), whole.covariance_of_mean(), rtol=1e-12)
    plain = Gradients.of_rows(psi, np.ones(50))
    np.testing.assert_allclose(plain.covariance_of_mean(), np.cov(psi.T) / 50, rtol=1e-12)
    np.testing.assert_allclose(Gradients.of_rows(psi, 7.0 * weight).covariance_of_mean(), whole.covariance_of_mean())
    A = np.eye(3) + 0.2 + np.triu(psi[:3])
    np.testing.assert_allclose(sandwich(A, np.eye(3)), np.linalg.inv(A.T @ A), rtol=1e-12)
    mean = weight @ psi / weight.sum()
    terms = weight[:, None] * (psi - mean) / weight.sum()
    np.testing.assert_allclose(whole.covariance_of_mean(), 50 / 49 * terms.T @ terms, rtol=1e-12)


def test_ridges_are_a_path_too(rng):
    X = rows(rng, p=2)
    for model in (Gaussian(), Polynomial(2, base=None)):
        target, sample = bound(model, X, 0.0)
        alphas = automatic_alphas(target, 5)
        assert (np.diff(alphas) < 0).all()
        mean, _, _ = by_folds(target, fold_statistics(target, deal(sample, group_rows(X), 4, 60)), alphas)
        assert np.isfinite(mean).all()


@pytest.mark.parametrize("model", [PairwiseInteraction(), PairwiseInteraction(centered=True)], ids=repr)
def test_an_edge_gains_by_chance_what_independent_columns_say(rng, model):
    """Of N(0, I) a pair has ψ = 2x_i x_j and Γ = 2: λ = 2, in any units."""
    X = rng.standard_normal((20_000, 4))
    for scale in (1.0, 1e-3):
        target, sample = bound(model, scale * X)
        path = penalty_path(target, [1e9])
        options = {"gamma": 0.5, "refit": True}
        edges = [np.ones((4, 4), dtype=bool) & ~np.eye(4, dtype=bool)]
        path = path._replace(edges=edges)
        plain, calibrated = (by_ebic(target, sample, path, calibrate=c, **options)[0][0] for c in (False, True))
        theta = target.family.on_graph(edges[0]).solve(target.statistics, Implicit(), 0.0).theta
        n_J = 2.0 * 20_000 * target.value(theta)
        assert (calibrated - n_J) / (plain - n_J) == pytest.approx(2.0 / scale**2, rel=0.05)


@pytest.mark.parametrize("model", [*MODELS.values(), TruncatedGaussian(centered=True)], ids=repr)
def test_an_edge_gains_what_the_gradients_of_rows_say(rng, model):
    target, sample = bound(model, rows(rng, p=4))
    family, theta = target.family, rng.standard_normal(target.family.n_parameters)
    thetas = [theta, 2.0 * theta]
    gains = null_gains(family, sample, target.sparse.problem(0.0).curvature, thetas)
    form = family.form(target.statistics, Implicit())
    np.testing.assert_allclose(gains_by_rows(family, sample, Implicit(), form, thetas), gains, rtol=1e-9)


def test_a_composition_has_a_criterion_too(rng):
    target, sample = bound(PairwiseInteraction(0, 0, domain=Simplex()), rng.dirichlet([2.0, 3.0, 4.0, 3.0], 200))
    values, _ = by_ebic(target, sample, penalty_path(target, automatic_alphas(target, 5)), 0.5, True, True)
    assert np.isfinite(values).all()


def test_blocks_are_freed_with_the_last_reference(rng):
    """Not at some later collection of cycles: blocks can be large."""
    sparse = bound(TruncatedGaussian(diagonal_multiplier=1.0), rows(rng))[0].sparse
    seen = weakref.ref(sparse)
    assert sparse.without_multiplier is sparse
    del sparse
    assert seen() is None
