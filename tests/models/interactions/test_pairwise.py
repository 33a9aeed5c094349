"""Pairwise interactions: statistics against independent implementations and against the score they belong to."""

import json
import re

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone

from skscore.domains import (
    MCP,
    Box,
    Capped,
    Halfspaces,
    Intervals,
    LogPower,
    Normalised,
    Orthant,
    Power,
    Reals,
    Simplex,
    Softplus,
    Tanh,
)
from skscore.fitting.solvers import UnboundedObjectiveError
from skscore.formulas.moments import Summary, moments
from skscore.formulas.quadratic import QuadraticForm
from skscore.models.family import Sample
from skscore.models.interactions.form import (
    default_multiplier,
    interaction_form,
    moment_form,
    multiplied,
    profile,
    profiled,
)
from skscore.models.interactions.gaussian_family import nearest_definite
from skscore.models.interactions.pairwise import PairwiseInteraction, TruncatedGaussian
from skscore.models.interactions.recession import infinite_mass_reason
from skscore.models.objectives import Denoising, Explicit, Implicit, Sliced, assemble

D = 4
SETTINGS = {"gaussian": (1.0, 1.0), "exp": (0.5, 0.5), "log_log": (0.0, 0.0)}
WEIGHTS = {
    "pow": lambda k, _: Power(k),
    "min_pow": lambda k, cap: Capped(Power(k), cap=cap),
    "mcp": MCP,
    "log_pow": lambda k, _: LogPower(k),
    "tanh": lambda a, _: Tanh(a),
    "min_softplus": lambda a, cap: Capped(Softplus(a), cap=np.log(2.0 * np.exp(cap) - 1.0) / a),  # the cap is a value
}
MODELS = {
    "gaussian": PairwiseInteraction(),
    "gaussian centred": PairwiseInteraction(centered=True),
    "squares": PairwiseInteraction(2.0, 1.0),
    "truncated gaussian": TruncatedGaussian(),
    "truncated gaussian centred": TruncatedGaussian(centered=True, weight=Capped(Power(2.0), 1.0)),
    "box": TruncatedGaussian(Box([0.0, -np.inf, -1.0, -np.inf], [30.0, 40.0, np.inf, np.inf])),
    "square root": PairwiseInteraction(0.5, 0.5, domain=Orthant(), weight=Capped(Power(1.5), 2.0)),
    "gamma": PairwiseInteraction(0.5, 0.0, domain=Orthant(), weight="power"),
    "log-log": PairwiseInteraction(0.0, 0.0, domain=Orthant(), weight=Power(2.0)),
    "log and power": PairwiseInteraction(0.0, 0.7, domain=Orthant(), weight=Capped(Power(2.0), quantile=0.8)),
    "powers": PairwiseInteraction(1.5, 0.5, domain=Orthant()),
    "composition": PairwiseInteraction(0.0, 0.0, domain=Simplex(), weight=Capped(Power(2.0), 1.0)),
    "intervals": TruncatedGaussian(Intervals([(0.0, 0.9), (1.1, np.inf)])),
    "polytope": TruncatedGaussian(Halfspaces(np.vstack([-np.eye(D), np.ones(D)]), np.append(np.zeros(D), 9.0))),
}
INSIDE = {"intervals": lambda X: ((X < 0.9) | (X > 1.1)).all(axis=1), "polytope": lambda X: X.sum(axis=1) < 9.0}
BLOCKED = [name for name in MODELS if name != "composition"]


def rows_for(name, rng, n=60):
    """Skew rows inside the model's domain."""
    if name in INSIDE:
        X = rows_for("", rng, 6 * n)
        return X[INSIDE[name](X)][:n]
    X = 0.2 + rng.gamma(3.0, 0.4, size=(n, D)) @ (np.eye(D) + 0.3 * np.eye(D, k=1))
    return X / X.sum(axis=1, keepdims=True) if name == "composition" else X


def bound(model, X):
    return model.choose(Sample(X, None, None, moments(X)), Implicit(), 0.0, "log_likelihood").family


def gathered(family, X, weight=None):
    return Summary(moments(X, weight), family.assemble(X, None, weight, Implicit()))


@pytest.fixture
def fitted(request, rng):
    """(family, rows, statistics, θ): a fit with a small ridge."""
    X = rows_for(request.param, rng)
    family = bound(MODELS[request.param], X)
    statistics = gathered(family, X)
    return family, X, statistics, family.solve(statistics, Implicit(), alpha=0.1).theta


every_model = pytest.mark.parametrize("fitted", MODELS, indirect=True)

# ---- numbers of an independent implementation ----------------------------------------------------

FILES = {
    "genscore_tgauss_rplus_p5_n200.json": Orthant(),
    "genscore_exp_rplus_p5_n250.json": Orthant(),
    "genscore_gauss_box_p4_n200.json": Box(-1.0, 1.5),
    "genscore_gauss_p5_n200.json": Reals(),
    "genscore_gauss_p30_n80.json": Reals(),
}


def reference_model(case, domain, **parameters):
    a, b = SETTINGS[case["setting"]]
    weight = None
    if case.get("h"):
        mode, *numbers = re.findall(r"'(\w+)'|([\d.]+)", case["h"])
        weight = WEIGHTS[mode[0]](*([float(text) for _, text in numbers] + [None])[:2])
    return PairwiseInteraction(a, b, domain=domain, weight=weight, **parameters)


def scaled(X, call):
    """Rows as the call standardised them: ‖x‖/√(n − 1) = 1, or centred first."""
    if "scale='center" in call:
        X = X - X.mean(axis=0)
    return X if "scale=''" in call else X / np.sqrt((X**2).sum(axis=0) / (len(X) - 1))


def reference_cases(reference, file):
    for case in json.loads((reference / file).read_text()).values():
        X = np.loadtxt(reference / case["data"], delimiter=",", skiprows=1)
        yield case, scaled(X, case.get("call", "scale=''"))


@pytest.mark.parametrize("file", FILES)
def test_blocks_are_those_of_genscore(file, reference):
    n_cases = 0
    for case, X in reference_cases(reference, file):
        if not (elts := case.get("elts")):
            continue
        model = reference_model(case, FILES[file], centered=elts["centered"])
        a, b = SETTINGS[case["setting"]]
        h, h_slope = bound(model, X).weights(X)
        form, p = interaction_form(X, None, a, b, h, h_slope, centered=elts["centered"]), X.shape[1]
        shown = profiled(form, p) if elts["profiled"] else form
        stored = elts.get("Gamma_blocks") or [elts["Gamma_shared"]] * p
        np.testing.assert_allclose(shown.Gamma[:, :p, :p], stored, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(shown.g[:, :p], elts.get("g_blocks", np.eye(p)), rtol=1e-8, atol=1e-10)
        if "Gamma_eta" in elts:
            np.testing.assert_allclose(form.Gamma[:, p, p], elts["Gamma_eta"], rtol=1e-8)
            np.testing.assert_allclose(form.Gamma[:, p, :p], elts["Gamma_K_eta_cols"], rtol=1e-8)
            np.testing.assert_allclose(form.g[:, p], elts["g_eta"], rtol=1e-8)
        if "t1" in elts:
            np.testing.assert_allclose(profile(form, np.zeros((p, p)))[:, 0], elts["t1"], rtol=1e-8)
        n_cases += 1
    assert n_cases or file == "genscore_gauss_p30_n80.json"


@pytest.mark.parametrize("file", FILES)
def test_fit_without_penalty_is_that_of_genscore(file, reference):
    n_cases = 0
    for case, X in reference_cases(reference, file):
        stored, centered = case["fit_symmetric"].get("unregularised"), "centered=TRUE" in case["call"]
        multiplier = float(re.search(r"diagonal_multiplier=([\d.]+)", case["call"])[1])
        if stored is None or (multiplier > 1.0 and not centered):  # it multiplies before it centres, we centre first
            continue
        model = reference_model(case, FILES[file], centered=centered, diagonal_multiplier=multiplier)
        assert_same_fit(model, X, stored, tolerance=1e-8)
        n_cases += 1
    assert n_cases > 0


def assert_same_fit(model, X, stored, tolerance):
    family = bound(model, X)
    fit = family.attributes(family.solve(gathered(family, X), Implicit(), 0.0).theta)
    np.testing.assert_allclose(fit["interaction"], stored["K"], rtol=tolerance, atol=0.1 * tolerance)
    if stored["eta"] is not None:
        np.testing.assert_allclose(fit["linear"], stored["eta"], rtol=tolerance, atol=0.1 * tolerance)


def test_compositions_fit_as_in_genscore(reference):
    data = json.loads((reference / "genscore_loglog_simplex_p5_n250.json").read_text())
    cases = [case for case in data.values() if case["setting"] == "log_log"]
    assert len(cases) == 4
    for case in cases:
        X = np.loadtxt(reference / case["data"].split()[0], delimiter=",", skiprows=1)
        X = X / X.sum(axis=1, keepdims=True)
        model = reference_model(case, Simplex(), centered=case["centered"])
        assert_same_fit(model, X, case["unregularised"], tolerance=1e-7)


def test_default_multiplier_is_that_of_genscore():
    assert default_multiplier(80, 30) == pytest.approx(1.8459554104358187, rel=1e-14)
    assert default_multiplier(200, 5) == pytest.approx(1.7049449800694108, rel=1e-14)


# ---- the form and the score ----------------------------------------------------------------------


@every_model
def test_form_is_the_objective_on_the_score(fitted):
    family, X, statistics, theta = fitted
    value = family.objective_value(theta, statistics, Implicit())
    assert value == pytest.approx(family.hyvarinen_score(theta, X).mean(), rel=1e-12)
    assert value == pytest.approx(family.form(statistics, Implicit()).value(theta), rel=1e-11)


@pytest.mark.parametrize("name", BLOCKED)
def test_blocks_are_the_form_of_all_statistics(name, rng):
    X, weight = rows_for(name, rng), rng.uniform(0.0, 2.0, 60)
    family = bound(MODELS[name], X)
    form = family.form(gathered(family, X, weight), Implicit())
    generic = assemble(family, X, None, weight, Implicit())
    np.testing.assert_allclose(form.Gamma, generic.Gamma, rtol=1e-10, atol=1e-12 * np.abs(generic.Gamma).max())
    np.testing.assert_allclose(form.g, generic.g, rtol=1e-10, atol=1e-12 * np.abs(generic.g).max())


@pytest.mark.parametrize("name", ["truncated gaussian", "gamma", "powers"])
def test_the_number_of_threads_changes_rounding_alone(name, rng, on_threads):
    X, weight, forms = rows_for(name, rng), rng.uniform(0.0, 2.0, 60), []
    for number in (1, 3):
        on_threads(number)
        forms.append(gathered(bound(MODELS[name], X), X, weight).form)
    np.testing.assert_allclose(forms[0].Gamma, forms[1].Gamma, rtol=1e-12, atol=1e-12 * forms[0].Gamma.max())
    np.testing.assert_array_equal(forms[0].g, forms[1].g)


@every_model
def test_derivatives_of_the_statistics_are_central_differences(fitted, rng):
    family, X, _, _ = fitted
    step, V = 1e-5, rng.standard_normal(X.shape)
    J = family.jacobian(X)
    along = np.einsum("nmd,nd->nm", J, V)
    scale = 1.0 + np.abs(J).max()
    shifted = [family.statistics(X + sign * step * V) for sign in (1, -1)]
    np.testing.assert_allclose(along, (shifted[0] - shifted[1]) / (2 * step), atol=1e-6 * scale)
    shifted = [np.einsum("nmd,nd->nm", family.jacobian(X + sign * step * V), V) for sign in (1, -1)]
    curvature = family.statistics_curvature(X, V)
    np.testing.assert_allclose(curvature, (shifted[0] - shifted[1]) / (2 * step), atol=1e-6 * (scale + curvature.max()))
    np.testing.assert_allclose(family.laplacian(X), sum(family.statistics_curvature(X, e) for e in np.eye(D)))


@every_model
def test_products_are_the_sums_over_statistics(fitted, rng):
    family, X, _, theta = fitted
    V = rng.standard_normal(X.shape)
    np.testing.assert_allclose(family.log_density(theta, X), family.statistics(X) @ theta, rtol=1e-10, atol=1e-10)
    by_sum = np.einsum("nmd,m->nd", family.jacobian(X), theta)
    np.testing.assert_allclose(family.score(theta, X), by_sum, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(family.divergence(theta, X), family.laplacian(X) @ theta, rtol=1e-10, atol=1e-10)
    by_sum = family.statistics_curvature(X, V) @ theta
    np.testing.assert_allclose(family.curvature(theta, X, V), by_sum, rtol=1e-9, atol=1e-9)


@every_model
def test_solution_is_stationary_under_a_ridge_on_interactions(fitted):
    family, _, statistics, theta = fitted
    form = family.form(statistics, Implicit())
    ridge = np.zeros(family.n_parameters)
    ridge[: family.n_interactions] = 0.1 * np.where(family.pairs[0] == family.pairs[1], 1.0, 2.0)
    np.testing.assert_allclose(form.gradient(theta) + ridge * theta, 0.0, atol=1e-9 * np.abs(form.g).max())


@every_model
def test_log_density_is_the_formula_of_the_model(fitted):
    family, X, _, theta = fitted
    model = {"a": family.a, "b": family.b}
    A, B = (X**k if k else np.log(X) for k in model.values())
    B = (B - 1.0) / family.b if family.b else B
    named = family.attributes(theta)
    value = -0.5 / (family.a or 1.0) * np.einsum("ni,ij,nj->n", A, named["interaction"], A) + B @ named["linear"]
    own = family.log_density(theta, X) + family.log_normalizer_offset(theta)
    np.testing.assert_allclose(own, value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_chunks_and_weights_merge_to_the_same_statistics(name, rng):
    X = rows_for(name, rng)
    family, weight = bound(MODELS[name], X), rng.integers(0, 3, size=len(X))
    whole, merged = gathered(family, X), gathered(family, X[:7]) + gathered(family, X[7:40]) + gathered(family, X[40:])
    weighted, repeated = gathered(family, X, weight.astype(float)), gathered(family, np.repeat(X, weight, axis=0))
    for a, b in ((merged, whole), (weighted, repeated)):
        form_a, form_b = family.form(a, Implicit()), family.form(b, Implicit())
        np.testing.assert_allclose(form_a.Gamma, form_b.Gamma, rtol=1e-10, atol=1e-12 * np.abs(form_b.Gamma).max())
        np.testing.assert_allclose(form_a.g, form_b.g, rtol=1e-10, atol=1e-12 * np.abs(form_b.g).max())
        assert form_a.n == pytest.approx(form_b.n)


# ---- coordinates, profile, multiplier ------------------------------------------------------------


@pytest.mark.parametrize("domain", [Reals(), Box(1e8 - 8.0, np.inf)], ids=["reals", "box"])
def test_columns_far_from_zero_keep_their_digits(domain, rng):
    near = rng.standard_normal((300, 3)) + rng.standard_normal((300, 1))
    X = np.round(near, 6) + 1e8
    near = X - 1e8
    shifted = Box(-8.0, np.inf) if domain.has_boundary else domain
    K = []
    for rows, support in ((X, domain), (near, shifted)):
        family = bound(
            TruncatedGaussian(support, weight=Capped(Power(1.0), 2.0) if domain.has_boundary else None), rows
        )
        theta = family.solve(gathered(family, rows), Implicit(), 0.0).theta
        K.append((family.attributes(theta)["precision"], family.attributes(theta)["location"]))
    np.testing.assert_allclose(K[0][0], K[1][0], rtol=1e-9)
    np.testing.assert_allclose(K[0][1] - 1e8, K[1][1], atol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "truncated gaussian", "square root", "log-log"])
def test_multiplier_does_not_depend_on_the_centre(name, rng):
    X = rows_for(name, rng)
    solutions = []
    for centre in (None, np.zeros(D)):
        family = bound(clone(MODELS[name]).set_params(diagonal_multiplier="auto"), X)
        family.centre = family.centre if centre is None else centre
        theta = family.solve(gathered(family, X), Implicit(), 0.1).theta
        solutions.append(np.concatenate([family.unpack(theta)[0].ravel(), family.linear(theta)]))
    np.testing.assert_allclose(solutions[0], solutions[1], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["truncated gaussian", "gamma", "powers"])
def test_multiplier_of_blocks_is_that_of_the_form(name, rng):
    X = rows_for(name, rng)
    family = bound(MODELS[name], X)
    statistics = gathered(family, X)
    blocks = multiplied(profiled(statistics.form, D), 1.7)
    flat = multiplied(profiled(family.form(statistics, Implicit()), family.n_interactions), 1.7)
    theta = rng.standard_normal(family.n_interactions)
    columns = theta[family.position[:, :D]]
    assert blocks.value(columns) == pytest.approx(flat.value(theta), rel=1e-11)
    whole = family.with_linear_part(statistics.form, columns)
    assert profiled(statistics.form, D).value(columns) == pytest.approx(statistics.form.value(whole), rel=1e-11)


def test_gaussian_is_maximum_likelihood(rng):
    X = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 3)) + 2.0
    family = bound(PairwiseInteraction(), X)
    theta = family.solve(gathered(family, X), Implicit(), 0.0).theta
    named = family.attributes(theta)
    np.testing.assert_allclose(named["precision"], np.linalg.inv(np.cov(X.T, ddof=0)), rtol=1e-9)
    np.testing.assert_allclose(named["location"], X.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(named["linear"], named["precision"] @ named["location"], rtol=1e-8)
    draws = family.sample(theta, 20000, rng).rows
    np.testing.assert_allclose(np.cov(draws.T), np.cov(X.T, ddof=0), atol=0.06 * np.cov(X.T).max())
    log_density = family.log_density(theta, X) - family.log_normalizer(theta)
    law = multivariate_normal(named["location"], np.linalg.inv(named["precision"]))
    np.testing.assert_allclose(log_density, law.logpdf(X), rtol=1e-10)


@pytest.mark.parametrize("objective", [Sliced(), Denoising(0.3), Explicit()], ids=["sliced", "denoising", "explicit"])
@pytest.mark.parametrize("name", ["gaussian", "squares"])
def test_other_objectives_have_a_form_in_theta(name, objective, rng):
    X = rows_for(name, rng)
    family = bound(MODELS[name], X)
    truth = family.solve(gathered(family, X), Implicit(), 0.1).theta
    Y = family.score(truth, X)
    form = family.assemble(X, Y if isinstance(objective, Explicit) else None, None, objective)
    statistics = Summary(moments(X), form)
    theta = family.solve(statistics, objective, 0.0).theta
    np.testing.assert_allclose(form.gradient(theta), 0.0, atol=1e-8 * np.abs(form.g).max())
    if isinstance(objective, Explicit):
        np.testing.assert_allclose(theta, truth, rtol=1e-6, atol=1e-8)


def test_fewer_rows_than_columns_are_unbounded_without_a_multiplier(rng):
    X = rng.standard_normal((6, 10))
    family = bound(PairwiseInteraction(), X)
    with pytest.raises(UnboundedObjectiveError):
        family.solve(gathered(family, X), Implicit(), 0.0)
    family = bound(PairwiseInteraction(diagonal_multiplier="auto"), X)
    theta = family.solve(gathered(family, X), Implicit(), 0.0).theta
    assert np.isfinite(theta).all()


def test_the_default_weight_counts_every_column_alike(rng):
    X = rng.gamma([1.0, 2.0, 9.0], [1.0, 100.0, 0.01], size=(200, 3))
    for domain in (Orthant(), Box([0.0, 0.0, -np.inf], np.inf)):
        h, _ = bound(TruncatedGaussian(domain), X).weights(X)
        np.testing.assert_allclose(h.mean(axis=0), 1.0, rtol=1e-12)


def test_an_unbounded_weight_in_an_unbounded_column_is_refused(rng):
    X = rng.standard_normal((20, 2)) ** 2
    for weight in (Power(), Normalised(Power())):
        with pytest.raises(ValueError, match="Cap it"):
            bound(TruncatedGaussian(Box([0.0, -np.inf], np.inf), weight=weight), X)


def test_moments_of_chunks_about_any_centre_are_one_block(rng):
    X = rng.standard_normal((30, 3)) + 5.0
    centre = np.array([4.0, 5.5, 5.0])
    shared = moment_form(moments(X), centre=centre)
    blocks = interaction_form(X, None, 1.0, 1.0, np.ones_like(X), np.zeros_like(X), centre=centre)
    np.testing.assert_allclose(np.broadcast_to(shared.Gamma, blocks.Gamma.shape), blocks.Gamma, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(shared.g, blocks.g, atol=1e-15)


# ---- finite mass ---------------------------------------------------------------------------------

PAIR = np.array([[1.0, 2.0], [2.0, 1.0]])  # copositive, not definite


@pytest.mark.parametrize(
    ("K", "eta", "a", "b", "domain", "finite"),
    [
        (np.eye(2), [9.0, -9.0], 1.0, 1.0, Reals(), True),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Reals(), False),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Orthant(), True),
        (PAIR, [0.0, 0.0], 2.0, 1.0, Reals(), True),
        (PAIR, [0.0, 0.0], 0.0, 0.0, Orthant(), False),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Box(-1.0, 1.0), True),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Box([0.0, -np.inf], np.inf), False),
        (-PAIR, [0.0, 0.0], 1.0, 1.0, Box([-np.inf, 0.0], [0.0, np.inf]), False),
        (PAIR * [[1, -1], [-1, 1]], [0.0, 0.0], 1.0, 1.0, Orthant(), False),
        (PAIR * [[1, -1], [-1, 1]], [0.0, 0.0], 1.0, 1.0, Box([-np.inf, 0.0], [0.0, np.inf]), True),
        (np.eye(2), [0.0, -2.0], 0.5, 0.0, Orthant(), False),
        (np.eye(2), [0.0, 0.1], 0.5, 2.0, Orthant(), False),
        (-np.eye(2), [-0.1, -0.1], 0.5, 2.0, Orthant(), True),
        (-np.eye(2), [0.0, 0.0], 1.0, 1.0, Simplex(), True),
        (-np.eye(2), [0.0, 0.0], 1.0, 1.0, Intervals([(-3.0, -1.0), (0.0, 1.0)]), True),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Intervals([(0.0, 1.0), (2.0, np.inf)]), True),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Intervals([(-np.inf, 1.0), (2.0, np.inf)]), False),
        (-PAIR, [0.0, 0.0], 1.0, 1.0, Halfspaces(np.vstack([np.eye(2), -np.ones(2)]), [1.0, 1.0, 1.0]), True),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Halfspaces(-np.eye(2), [0.0, 0.0]), True),
        (-PAIR, [0.0, 0.0], 1.0, 1.0, Halfspaces(-np.eye(2), [0.0, 0.0]), False),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Halfspaces([[1.0, 1.0]], [0.0]), False),
        (PAIR, [0.0, 0.0], 1.0, 1.0, Halfspaces([[1.0, 1.0], [-1.0, -1.0]], [1.0, 1.0]), False),
        (np.eye(2), [3.0, 1.0], 1.0, 1.0, Halfspaces([[1.0, 1.0]], [0.0]), True),
        (
            -np.eye(2),
            [-3.0, -2.0],
            1.0,
            2.0,
            Reals(),
            True,
        ),  # of equal powers: K − diag(η)
        (np.eye(2), [0.0, 3.0], 0.5, 1.0, Orthant(), False),
        (-np.eye(2), [-3.0, -2.0], 1.0, 2.0, Halfspaces(-np.eye(2), [0.0, 0.0]), True),
    ],
)
def test_infinite_mass_is_recognised(K, eta, a, b, domain, finite):
    reason = infinite_mass_reason(K, np.asarray(eta), a, b, domain)
    assert (reason is None) == finite, reason


def test_one_column_is_the_univariate_truncated_normal(reference):
    stored = json.loads((reference / "genscore_univariate_tnorm.json").read_text())
    X = np.loadtxt(reference / "data/tnorm1_n300.csv", delimiter=",", skiprows=1)[:, None]
    weights = {"min_pow_1_1": Capped(Power(1.0), 1.0), "min_pow_1_3": Capped(Power(1.0), 3.0), "pow_2_NA": Power(2.0)}
    for name, weight in weights.items():
        family = bound(TruncatedGaussian(weight=weight), X)
        fit = family.attributes(family.solve(gathered(family, X), Implicit(), 0.0).theta)
        both = [fit["location"][0], 1.0 / fit["precision"][0, 0]]
        np.testing.assert_allclose(both, stored[name]["both"], rtol=1e-8)


def test_blocks_of_the_form_are_definite_and_symmetric(rng):
    X = rows_for("powers", rng)
    form = bound(MODELS["powers"], X).assemble(X, None, None, Implicit())
    assert isinstance(form, QuadraticForm)
    np.testing.assert_array_equal(form.Gamma, form.Gamma.mT)
    assert np.linalg.eigvalsh(form.Gamma).min() > 0.0


# ---- draws ---------------------------------------------------------------------------------------

EXACT = {name for name in MODELS if name.startswith(("gaussian", "truncated", "box", "intervals", "polytope"))}


@every_model
def test_draws_are_exact_for_truncated_gaussians(fitted, request, rng):
    family, _, _, theta = fitted
    drawn = family.sample(theta, 4000, rng)
    name = request.node.callspec.params["fitted"]
    assert (drawn is not None) == (name in EXACT)
    if drawn is not None:
        assert family.domain.contains(drawn.rows).all()
        assert_stein_identity(family, theta, drawn.rows)


def assert_stein_identity(family, theta, draws):
    """E[h_j s_j + h_j'] = 0 for an h that is zero on the boundary: the capped distance, or 1."""
    h, h_slope = family.weights(draws) if family.weight is not None else (np.ones_like(draws), np.zeros_like(draws))
    stein = h * family.score(theta, draws) + h_slope
    np.testing.assert_array_less(np.abs(stein.mean(axis=0)), 4.0 * stein.std(axis=0) / np.sqrt(len(draws)))


def test_draws_far_from_zero_stay_inside(rng):
    X = 1e8 + np.abs(rng.standard_normal((2000, 3)))
    family = bound(TruncatedGaussian(Box(1e8, np.inf)), X)
    draws = family.sample(family.solve(gathered(family, X), Implicit(), 0.0).theta, 2000, rng).rows
    assert family.domain.contains(draws).all()
    np.testing.assert_allclose(draws.mean(axis=0) - 1e8, X.mean(axis=0) - 1e8, atol=0.1)


# ---- definiteness --------------------------------------------------------------------------------


def indefinite(projection=None, symmetric="and"):
    """A Gaussian family with K estimated column by column, and rows so few that it is not definite at α = 0.2."""
    X = np.random.default_rng(0).standard_normal((15, 10)) + 3.0
    family = bound(PairwiseInteraction(projection=projection), X).penalised(1.0, symmetric)
    return family, gathered(family, X)


def test_interactions_without_a_density_are_told_or_projected():
    family, statistics = indefinite()
    theta, (remark,), _ = family.solve(statistics, Implicit(), 0.2)
    assert "smallest eigenvalue is -" in remark
    K, _ = family.unpack(theta)
    family, _ = indefinite("nearest")
    theta = family.solve(statistics, Implicit(), 0.2).theta
    np.testing.assert_allclose(family.unpack(theta)[0], nearest_definite(K), rtol=1e-12)
    np.testing.assert_allclose(family.attributes(theta)["location"], statistics.moments.mean, rtol=1e-9)
    assert family.infinite_mass(theta) is None


def test_definite_interactions_are_left_alone():
    family, statistics = indefinite("nearest")
    plain, _ = indefinite()
    thetas = [each.solve(statistics, Implicit(), 2.0).theta for each in (family, plain)]
    np.testing.assert_array_equal(*thetas)


def test_nearest_definite_matrix_is_nearest(rng):
    K = rng.standard_normal((6, 6))
    K = K + K.T
    nearest = nearest_definite(K)
    floor = 1e-4 * np.linalg.eigvalsh(K)[-1]
    assert np.linalg.eigvalsh(nearest)[0] == pytest.approx(floor, rel=1e-8)
    for _ in range(50):  # the projection on a convex set makes an obtuse angle with every other point of it
        root = rng.standard_normal((6, 6))
        other = floor * np.eye(6) + root @ root.T
        assert np.sum((K - nearest) * (other - nearest)) <= 1e-9
