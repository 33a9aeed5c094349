"""Identities over the list of all models and all objectives."""

from dataclasses import dataclass

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore._compat import StrOptions
from skscore.domains import Box, DomainMap, Orthant
from skscore.formulas import score_losses
from skscore.formulas.moments import Summary, moments
from skscore.likelihood import importance_sampling, mapped_target
from skscore.models import ExponentialFamily, Gaussian, GaussianBase, Polynomial
from skscore.models.catalog import MODELS, OBJECTIVES, resolve_objective
from skscore.models.family import Family, Sample
from skscore.models.monomials import MonomialBasis
from skscore.models.objectives import Denoising, Explicit, Implicit, Sliced, assemble

D = 3


def monomials(degree, interaction_degree, domain=None, base=None, d=D):
    """The polynomial family as a user would write it, by powers: the generic route."""
    gamma = MonomialBasis(d, degree, interaction_degree).exponents[1:]
    axes = np.eye(d, dtype=int)

    def power(X, exponents):
        return np.prod(X[:, None, :] ** np.maximum(exponents, 0), axis=2)

    def jacobian(X):
        return np.stack([gamma[:, j] * power(X, gamma - axes[j]) for j in range(d)], axis=2)

    def second(X, j, k):
        return gamma[:, j] * (gamma[:, k] - (j == k)) * power(X, gamma - axes[j] - axes[k])

    def curvature(X, V):
        V = np.broadcast_to(V, X.shape)
        return sum(V[:, [j]] * V[:, [k]] * second(X, j, k) for j in range(d) for k in range(d))

    def laplacian(X):
        return sum(second(X, j, j) for j in range(d))

    return ExponentialFamily(lambda X: power(X, gamma), jacobian, laplacian, curvature, domain=domain, base=base)


FAMILIES = {f"{name} {k}": model for name, cls in MODELS.items() for k, model in enumerate(cls.examples())} | {
    "generic": monomials(3, 2),
    "generic gaussian base": monomials(4, 1, base="gaussian"),
    "generic orthant": monomials(2, 2, domain=Orthant()),
    "generic box": monomials(2, 2, domain=Box(-5.0, 9.0), base=GaussianBase(1.0, 3.0)),
}
PAIRS = [
    (family, objective)
    for family, model in FAMILIES.items()
    for objective in OBJECTIVES
    if objective != "denoising" or not getattr(model.get_params().get("domain"), "has_boundary", False)
]
CLOSED = [(family, objective) for family, objective in PAIRS if not family.startswith("generic")]
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
every_family = pytest.mark.parametrize("family", FAMILIES)
every_model = pytest.mark.parametrize("model", [model for cls in MODELS.values() for model in cls.examples()], ids=str)


@pytest.fixture
def X(rng):
    """Skew rows inside every domain of the list."""
    return rng.gamma(4.0, 0.5, size=(40, D)) @ np.array([[1.0, 0.2, 0.0], [0.0, 0.7, 0.1], [0.0, 0.0, 0.5]])


def bound(model, X):
    """The family that a model is for these rows."""
    return model.choose(Sample(X, None, None, moments(X)), Implicit(), 0.01, "log_likelihood").family


def summary(family, X, Y, objective, weight=None):
    """What a fit keeps of the rows."""
    return Summary(moments(X if Y is None else np.hstack([X, Y]), weight), family.assemble(X, Y, weight, objective))


def known_scores(objective, X, rng):
    return rng.standard_normal(X.shape) - X if objective == "explicit" else None


@pytest.fixture
def fitted(request, X, rng):
    """(family, statistics, θ) of a model under an objective, and the known scores."""
    name, chosen = request.param
    objective, Y = resolve_objective(chosen, 0.3, FAMILIES[name], D), known_scores(chosen, X, rng)
    family = bound(FAMILIES[name], X)
    statistics = summary(family, X, Y, objective)
    return family, statistics, family.solve(statistics, objective, alpha=0.01).theta, objective, Y


# ---- what the quadratic form must equal: the formula of the objective, on the fitted score -------


def implicit(family, theta, objective, X, Y):
    V = np.eye(D) if family.directions is None else family.directions
    slopes = np.column_stack([family.curvature(theta, X, v) for v in V])
    return score_losses.coordinatewise(family.score(theta, X) @ V.T, slopes, *family.weights(X))


def explicit(family, theta, objective, X, Y):
    return score_losses.explicit(family.score(theta, X), Y)


def sliced(family, theta, objective, X, Y):
    (h, slope), score = family.weights(X), family.score(theta, X)
    directions = [np.sqrt(D * h) * np.broadcast_to(q, X.shape) for q in objective.frame(D)]
    along = [score_losses.sliced(score, family.curvature(theta, X, V), V) for V in directions]
    return np.mean(along, axis=0) + (slope * score).sum(axis=1)


def denoising(family, theta, objective, X, Y):
    noise, weight = noise_of(family, objective)
    noisy = [family.score(theta, X + objective.sigma * z) for z in noise]
    return weight @ [score_losses.denoising(s, z, objective.sigma) for s, z in zip(noisy, noise, strict=True)]


def noise_of(family, objective):
    """Nodes and weights of the noise: exact Gauss-Hermite if the family integrates it, else the objective's draws."""
    if not family.knows(objective):
        draws = objective.draws(D)
        return draws, np.full(len(draws), 1.0 / len(draws))
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    noise = np.stack(np.meshgrid(*[nodes] * D, indexing="ij"), axis=-1).reshape(-1, D)
    weight = np.prod(np.stack(np.meshgrid(*[weights] * D, indexing="ij"), axis=-1).reshape(-1, D), axis=1)
    return noise, weight / weight.sum()


FORMULAS = {"implicit": implicit, "explicit": explicit, "sliced": sliced, "denoising": denoising}


@pytest.mark.parametrize("fitted", [p for p in PAIRS if p[1] in FORMULAS], indirect=True, ids=" ".join)
def test_form_is_the_objective_formula_on_the_score(fitted, X):
    family, statistics, theta, objective, Y = fitted
    formula = FORMULAS[type(objective).__name__.lower()]
    value = family.objective_value(theta, statistics, objective)
    assert value == pytest.approx(formula(family, theta, objective, X, Y).mean(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("pair", CLOSED, ids=" ".join)
def test_closed_form_is_the_route_row_by_row(pair, X, rng):
    """Of a family that lists the objective, and trivially of any other; noise is drawn, and so kept small."""
    name, chosen = pair
    objective, Y = resolve_objective(chosen, 1e-4, FAMILIES[name], D), known_scores(chosen, X, rng)
    family, weight = bound(FAMILIES[name], X), rng.uniform(size=len(X))
    closed = summary(family, X, Y, objective, weight)
    by_rows = Summary(closed.moments, assemble(family, X, Y, weight, objective))
    scores = [family.score(family.solve(part, objective, 0.01).theta, X) for part in (closed, by_rows)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6 * np.abs(scores[1]).max())


@pytest.mark.parametrize("fitted", PAIRS, indirect=True, ids=" ".join)
def test_score_and_its_derivatives_are_central_differences(fitted, X, rng):
    family, _, theta, _, _ = fitted
    step, V = 1e-5, rng.standard_normal(X.shape)
    score = family.score(theta, X)
    scale = 1.0 + np.abs(score).max()

    def slope(function, direction):
        return (function(theta, X + step * direction) - function(theta, X - step * direction)) / (2 * step)

    divergence = np.zeros(len(X))
    for j, e in enumerate(np.eye(D)):
        np.testing.assert_allclose(score[:, j], slope(family.log_density, e), atol=1e-6 * scale)
        divergence += slope(family.score, e)[:, j]
    np.testing.assert_allclose(family.divergence(theta, X), divergence, atol=1e-6 * scale)
    along = (V * slope(family.score, V)).sum(axis=1)
    np.testing.assert_allclose(family.curvature(theta, X, V), along, atol=1e-5 * scale)
    np.testing.assert_allclose(
        family.curvature(theta, X, V[0]),
        family.curvature(theta, X, np.broadcast_to(V[0], X.shape)),
        rtol=1e-12,
    )


def test_a_normaliser_in_closed_form_is_the_integral(X, rng):
    """log Z of the models that know it, against importance sampling."""
    known = []
    for name, model in FAMILIES.items():
        family = bound(model, X)
        theta = family.solve(summary(family, X, None, Implicit()), Implicit(), 0.01).theta
        exact = family.log_normalizer(theta) if family.infinite_mass(theta) is None else None
        if exact is not None:
            target = mapped_target(family, theta, DomainMap.from_moments(family.domain, moments(X)))
            integral = importance_sampling(target.log_density, D, rng=rng)
            np.testing.assert_allclose(getattr(exact, "log_z", exact), integral.log_z, atol=6 * integral.stderr + 1e-6)
            known.append(name)
    assert {"gaussian 0", "pairwise 0"} <= set(known)


def test_draws_in_closed_form_obey_the_identity_of_their_score(X, rng):
    """E[s(x) (x − c)ᵀ] = −I for draws of a density with the score s on R^d (Stein, 1981)."""
    known = []
    for name, model in FAMILIES.items():
        family = bound(model, X)
        theta = family.solve(summary(family, X, None, Implicit()), Implicit(), 0.01).theta
        unbounded = not family.domain.has_boundary and family.infinite_mass(theta) is None
        drawn = family.sample(theta, 20_000, rng) if unbounded else None
        if drawn is not None:
            product = np.einsum("ni,nj->nij", family.score(theta, drawn.rows), drawn.rows - X.mean(axis=0))
            error = product.std(axis=0) / np.sqrt(len(product))
            assert (np.abs(product.mean(axis=0) + np.eye(D)) < 5.0 * error).all(), name
            known.append(name)
    assert {"gaussian 0", "pairwise 0"} <= set(known)


@pytest.mark.parametrize("objective", FORMULAS)
@pytest.mark.parametrize(
    ("model", "degree", "interaction_degree"),
    [
        (Gaussian(), 2, 2),
        (Polynomial(2, base=None), 2, 2),
        (Polynomial(4), 4, 2),
        (Polynomial(4, interaction_degree=1), 4, 1),
    ],
    ids=repr,
)
def test_closed_form_is_that_of_the_family_by_powers(model, degree, interaction_degree, objective, X, rng):
    """Scores of the closed-form families and of the same family by powers agree after a fit without ridge."""
    Y = known_scores(objective, X, rng)
    objective = resolve_objective(objective, 1e-4 if degree > 2 else 0.3, model, D)
    scores = []
    for family in (model.family(moments(X)), monomials(degree, interaction_degree).family(moments(X))):
        scores.append(family.score(family.solve(summary(family, X, Y, objective), objective, 0.0).theta, X))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6 * np.abs(scores[1]).max())


@pytest.mark.parametrize("objective", [Implicit(), Explicit(), Sliced()], ids=repr)
def test_moments_of_a_polynomial_are_those_of_its_rows(objective, X, rng):
    """The fast route from moments is the generic route through T and its derivatives."""
    family = Polynomial(4, base=None).family(moments(X))
    Y, weight = rng.standard_normal(X.shape), rng.uniform(size=len(X))
    fast, generic = family.assemble(X, Y, weight, objective), Family.assemble(family, X, Y, weight, objective)
    np.testing.assert_allclose(generic.Gamma, fast.Gamma, rtol=1e-9, atol=1e-9 * np.abs(fast.Gamma).max())
    np.testing.assert_allclose(generic.g, fast.g, rtol=1e-9, atol=1e-9 * np.abs(fast.g).max())
    theta = rng.standard_normal(family.n_parameters)
    by_rows = family.row_gradients(theta, X, Y, objective)
    np.testing.assert_allclose(weight @ by_rows / weight.sum(), fast.gradient(theta), rtol=1e-8, atol=1e-8)


@every_pair
def test_chunks_and_weights_merge_to_the_same_statistics(pair, X, rng):
    model, objective = FAMILIES[pair[0]], resolve_objective(pair[1], 0.3, FAMILIES[pair[0]], D)
    Y = known_scores(pair[1], X, rng)
    family, weight = bound(model, X), rng.integers(0, 3, size=len(X))
    weight[:2] = 1

    def statistics(rows, weight=None):
        return summary(family, X[rows], None if Y is None else Y[rows], objective, weight)

    everything = np.arange(len(X))
    whole = statistics(everything)
    merged = statistics(everything[:7]) + statistics(everything[7:30]) + statistics(everything[30:])
    weighted = statistics(everything, weight.astype(float))
    repeated = statistics(np.repeat(everything, weight))
    for a, b in ((merged, whole), (weighted, repeated)):
        np.testing.assert_allclose(a.moments.covariance, b.moments.covariance, rtol=1e-11, atol=1e-13)
        form_a, form_b = family.form(a, objective), family.form(b, objective)
        np.testing.assert_allclose(form_a.Gamma, form_b.Gamma, rtol=1e-10, atol=1e-12 * np.abs(form_b.Gamma).max())
        np.testing.assert_allclose(form_a.g, form_b.g, rtol=1e-10, atol=1e-12 * (1 + np.abs(form_b.g).max()))
        assert form_a.c == pytest.approx(form_b.c, rel=1e-11)


# ---- an objective that no model knows ------------------------------------------------------------


@dataclass(frozen=True)
class Doubled(Implicit):
    """Twice the implicit objective; that it inherits from it must not make it the same."""

    def rows(self, family, X, Y):
        for D, linear, constant in super().rows(family, X, Y):
            yield np.sqrt(2.0) * D, 2.0 * linear, 2.0 * constant


@every_family
def test_a_new_objective_is_not_taken_for_another(family, X):
    """Twice the objective under twice the ridge has the same θ, and twice the value; without a ridge likewise."""
    family = bound(FAMILIES[family], X)
    statistics = {objective: summary(family, X, None, objective) for objective in (Implicit(), Doubled())}
    once = family.solve(statistics[Implicit()], Implicit(), 0.01).theta
    twice = family.solve(statistics[Doubled()], Doubled(), 0.02).theta
    np.testing.assert_allclose(family.score(once, X), family.score(twice, X), rtol=1e-6, atol=1e-6)
    values = [family.objective_value(once, part, objective) for objective, part in statistics.items()]
    assert values[1] == pytest.approx(2.0 * values[0], rel=1e-9)


@every_model
@pytest.mark.filterwarnings("ignore:the free fit was no density")
def test_a_registered_objective_reaches_every_model(model, X, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "doubled", Doubled)
    known = ScoreMatchingDensity._parameter_constraints
    monkeypatch.setitem(known, "objective", [StrOptions(set(OBJECTIVES))])
    fits = [
        ScoreMatchingDensity(model, objective=objective, alpha=alpha, inference=True, criterion="hyvarinen").fit(X)
        for objective, alpha in [("implicit", 0.01), ("doubled", 0.02)]
    ]
    assert fits[1].objective_ == pytest.approx(2.0 * fits[0].objective_, rel=1e-9)
    for name in ("theta_", "standard_errors_"):
        np.testing.assert_allclose(getattr(fits[1], name), getattr(fits[0], name), rtol=1e-6, atol=1e-6)


def test_gaussian_base_does_not_matter_without_ridge(X):
    """A base measure whose logarithm lies in the family leaves the fitted density unchanged (α = 0)."""
    scores = []
    for base in (None, "gaussian", GaussianBase(0.3, 0.7)):
        family = Polynomial(4, interaction_degree=1, base=base).family(moments(X))
        statistics = Summary(moments(X), family.assemble(X, None, None, Implicit()))
        scores.append(family.score(family.solve(statistics, Implicit(), 0.0).theta, X))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-9)
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-9)


def test_denoising_tends_to_implicit(X):
    gaps = []
    for sigma in (0.1, 0.01):
        fits = []
        for objective in (Denoising(sigma), Implicit()):
            family = Gaussian().family(moments(X))
            fits.append(family.solve(Summary(moments(X)), objective, 0.0).theta.precision)
        gaps.append(np.abs(fits[0] - fits[1]).max())
    assert gaps[1] == pytest.approx(0.01 * gaps[0], rel=0.2)  # the bias is of order σ²


def test_noise_draws_have_exact_second_moments():
    z = Denoising(1.0).draws(5)
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(5), atol=1e-13)
