"""Identities over the list of all models and all objectives."""

import numpy as np
import pytest

from skscore.domains import Box, Orthant
from skscore.formulas import score_losses
from skscore.formulas.moments import Summary, moments
from skscore.models import (
    ExponentialFamily,
    Gaussian,
    GaussianBase,
    Kernel,
    PairwiseInteraction,
    Polynomial,
    TruncatedGaussian,
)
from skscore.models.catalog import MODELS
from skscore.models.family import Family, Sample
from skscore.models.kernels.family import KernelFamily
from skscore.models.monomials import MonomialBasis
from skscore.models.objectives import Denoising, Explicit, Implicit, Sliced

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


FAMILIES = {
    "gaussian full": Gaussian(),
    "gaussian full centred": Gaussian(assume_centered=True),
    "gaussian diag": Gaussian("diag"),
    "gaussian spherical": Gaussian("spherical"),
    "polynomial 2": Polynomial(2, base=None),
    "polynomial 4": Polynomial(4),
    "polynomial 4 additive": Polynomial(4, interaction_degree=1),
    "polynomial 3 all": Polynomial(3, interaction_degree=3, base=GaussianBase(0.5, 2.0)),
    "kernel": Kernel(10, bandwidth=0.8, base_scale=1.0, whiten=False),
    "kernel by column": Kernel(
        10, bandwidth=[0.8, 0.6, 0.5], base="student", base_scale=2.0, regularizer="identity", whiten=False
    ),
    "kernel slopes": Kernel(5, bandwidth=1.1, basis="nystrom", base_scale=1.0, whiten=False),
    "kernel waves": Kernel(12, bandwidth=0.9, basis="fourier", base_scale=1.5, whiten=False),
    "pairwise": PairwiseInteraction(),
    "pairwise squares": PairwiseInteraction(2.0, 1.0, centered=True),
    "pairwise roots": PairwiseInteraction(0.5, 0.5, domain=Orthant()),
    "truncated gaussian": TruncatedGaussian(domain=Box(-1.0, 30.0), weight="tanh"),
    "generic": monomials(3, 2),
    "generic gaussian base": monomials(4, 1, base="gaussian"),
    "generic orthant": monomials(2, 2, domain=Orthant()),
    "generic box": monomials(2, 2, domain=Box(-5.0, 9.0), base=GaussianBase(1.0, 3.0)),
}
OBJECTIVES = {"implicit": Implicit(), "explicit": Explicit(), "sliced": Sliced(), "denoising": Denoising(0.3)}
PAIRS = [
    (family, objective)
    for family in FAMILIES
    for objective in OBJECTIVES
    if objective == "implicit" or not FAMILIES[family].get_params().get("domain")
]


@pytest.fixture
def X(rng):
    """Skew rows inside every domain of the list."""
    return rng.gamma(4.0, 0.5, size=(40, D)) @ np.array([[1.0, 0.2, 0.0], [0.0, 0.7, 0.1], [0.0, 0.0, 0.5]])


def bound(model, X):
    """The family that a model is for these rows."""
    return model.choose(Sample(X, None, None, moments(X)), Implicit(), 0.01, "log_likelihood").family


@pytest.fixture
def fitted(request, X, rng):
    """(family, statistics, θ) of a model under an objective."""
    model, objective = FAMILIES[request.param[0]], OBJECTIVES[request.param[1]]
    Y = rng.standard_normal(X.shape) - X if isinstance(objective, Explicit) else None
    family = bound(model, X)
    table = X if Y is None else np.hstack([X, Y])
    statistics = Summary(moments(table), family.assemble(X, Y, None, objective))
    return family, statistics, family.solve(statistics, objective, alpha=0.01).theta, objective, Y


def test_every_model_of_the_catalogue_is_on_the_list():
    assert {type(model) for model in FAMILIES.values()} >= set(MODELS.values())


def objective_on_the_score(family, theta, objective, X, Y):
    """The formula of the objective, applied to the fitted score: what the quadratic form must equal."""

    def score(X):
        return family.score(theta, X)

    if isinstance(objective, Explicit):
        return score_losses.explicit(score(X), Y).mean()
    if isinstance(objective, Sliced):
        directions = [np.sqrt(D) * np.broadcast_to(q, X.shape) for q in objective.frame(D)]
        return np.mean([score_losses.sliced(score(X), family.curvature(theta, X, V), V) for V in directions])
    if isinstance(objective, Denoising):
        noise, weight = noise_law(family, objective)
        means = [score_losses.denoising(score(X + objective.sigma * z), z, objective.sigma).mean() for z in noise]
        return weight @ means
    if hasattr(family, "hyvarinen_score"):  # with a weight for each coordinate
        s, slopes = score(X), np.column_stack([family.curvature(theta, X, axis) for axis in np.eye(D)])
        return score_losses.coordinatewise(s, slopes, *family.weights(X)).mean()
    divergence = family.divergence(theta, X)
    if not family.domain.has_boundary:
        return score_losses.implicit(score(X), divergence).mean()
    return score_losses.weighted(score(X), divergence, *family.domain.boundary_distance(X)).mean()


def noise_law(family, objective):
    """Nodes and weights of the noise: exact Gauss-Hermite where the family integrates it, else the own draws."""
    if isinstance(family, KernelFamily) or isinstance(getattr(family, "model", None), ExponentialFamily):
        draws = objective.draws(D)
        return draws, np.full(len(draws), 1.0 / len(draws))
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    noise = np.stack(np.meshgrid(*[nodes] * D, indexing="ij"), axis=-1).reshape(-1, D)
    weight = np.prod(np.stack(np.meshgrid(*[weights] * D, indexing="ij"), axis=-1).reshape(-1, D), axis=1)
    return noise, weight / weight.sum()


@pytest.mark.parametrize("fitted", PAIRS, indirect=True, ids=" ".join)
def test_form_is_the_objective_formula_on_the_score(fitted, X):
    family, statistics, theta, objective, Y = fitted
    value = family.objective_value(theta, statistics, objective)
    assert value == pytest.approx(objective_on_the_score(family, theta, objective, X, Y), rel=1e-12, abs=1e-12)


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


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("model", "degree", "interaction_degree"),
    [("gaussian full", 2, 2), ("polynomial 2", 2, 2), ("polynomial 4", 4, 2), ("polynomial 4 additive", 4, 1)],
)
def test_fast_route_is_the_generic_route(model, degree, interaction_degree, objective, X, rng):
    """Scores of the closed-form families and of the same family by powers agree after a fit without ridge."""
    Y = rng.standard_normal(X.shape) - X if objective == "explicit" else None
    objective = Denoising(1e-4) if objective == "denoising" and degree > 2 else OBJECTIVES[objective]
    scores = []
    for family in (FAMILIES[model].family(moments(X)), monomials(degree, interaction_degree).family(moments(X))):
        statistics = Summary(moments(X if Y is None else np.hstack([X, Y])), family.assemble(X, Y, None, objective))
        scores.append(family.score(family.solve(statistics, objective, 0.0).theta, X))
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


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_chunks_and_weights_merge_to_the_same_statistics(pair, X, rng):
    model, objective = FAMILIES[pair[0]], OBJECTIVES[pair[1]]
    Y = rng.standard_normal(X.shape) if pair[1] == "explicit" else None
    family, weight = bound(model, X), rng.integers(0, 3, size=len(X))
    weight[:2] = 1

    def statistics(rows, weight=None):
        y = None if Y is None else Y[rows]
        table = X[rows] if y is None else np.hstack([X[rows], y])
        return Summary(moments(table, weight), family.assemble(X[rows], y, weight, objective))

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
