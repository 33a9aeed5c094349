"""Every kernel family: derivatives and differences, fast routes and generic ones, reference numbers."""

import numpy as np
import pytest

from skscore.fitting.solvers import solve_ridge
from skscore.formulas import score_losses
from skscore.models import GaussianBase
from skscore.models.base import resolve_base
from skscore.models.family import Family
from skscore.models.kernels.fourier import FourierFamily, frequencies
from skscore.models.kernels.lite import LiteFamily
from skscore.models.kernels.nystrom import NystromFamily
from skscore.models.kernels.rkhs import orthonormal_basis
from skscore.models.objectives import Denoising, Explicit, Implicit, Sliced

BASES = {"gaussian": lambda d: GaussianBase(0.5, np.linspace(1, 2, d)), "flat": lambda d: resolve_base(None, None)}


def cut_basis(rng, size):
    """All but two of orthonormal columns."""
    return np.linalg.qr(rng.standard_normal((size, size)))[0][:, : size - 2]


def lite(rng, factor, base, **parameters):
    landmarks = 1.5 + rng.standard_normal((13, len(factor)))
    return LiteFamily(landmarks, factor, cut_basis(rng, 13), base, **parameters)


def nystrom(rng, factor, base, **parameters):
    landmarks = 1.5 + rng.standard_normal((9, len(factor)))
    return NystromFamily(landmarks, factor, cut_basis(rng, landmarks.size), base, **parameters)


def fourier(rng, factor, base, **parameters):
    omega, phases = frequencies(1.0, len(factor), 11, rng)
    return FourierFamily(factor @ omega, phases, cut_basis(rng, 11), base, **parameters)


@pytest.fixture(params=[lite, nystrom, fourier], ids=lambda family: family.__name__)
def family_of(request, metric):
    """Function that draws a family of functions of d columns."""

    def draw(rng, d, base="gaussian", **parameters):
        return request.param(rng, metric(d), BASES[base](d), **parameters)

    return draw


def assert_close(actual, expected, rtol):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


# ---- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
def test_derivatives_are_central_differences(rng, skew_rows, family_of, d):
    family, X, step = family_of(rng, d), skew_rows(rng, 20, d), 1e-5
    jacobian, V = family.jacobian(X), rng.standard_normal((20, d))
    for j, e in enumerate(step * np.eye(d)):
        slope = (family.statistics(X + e) - family.statistics(X - e)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, j], slope, atol=1e-8)
    bend = np.einsum("nrd,nd->nr", family.jacobian(X + step * V) - family.jacobian(X - step * V), V) / (2 * step)
    np.testing.assert_allclose(family.statistics_curvature(X, V), bend, atol=1e-7)
    np.testing.assert_allclose(
        family.laplacian(X), sum(family.statistics_curvature(X, e) for e in np.eye(d)), atol=1e-12
    )


# ---- fast routes and generic ones ----------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
def test_fast_form_is_the_generic_form(rng, skew_rows, assert_same_form, family_of, d, base):
    family, X, weight = family_of(rng, d, base), skew_rows(rng, 200, d), rng.random(200)
    weight[3] = 0.0
    generic = Family.assemble(family, X, None, weight, Implicit())
    assert_same_form(family.implicit_form(X, weight), generic, rtol=1e-12)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("d", [1, 3, 6])
def test_fast_evaluation_is_the_generic_one(rng, skew_rows, family_of, d, base):
    family, X = family_of(rng, d, base), skew_rows(rng, 100, d)
    phi, V, A = rng.standard_normal(family.n_parameters), rng.standard_normal(X.shape), rng.standard_normal((d, d))
    curvatures = [family.statistics_curvature(X, a) @ phi + family.base.curvature(X, a) for a in A]
    for fast, generic in (
        (family.log_density(phi, X), Family.log_density(family, phi, X)),
        (family.score(phi, X), phi @ family.jacobian(X) + family.base.score(X)),
        (family.divergence(phi, X), family.laplacian(X) @ phi + family.base.divergence(X)),
        (family.curvature(phi, X, V), family.statistics_curvature(X, V) @ phi + family.base.curvature(X, V)),
        (family.traced_curvature(phi, X, A), sum(curvatures)),
    ):
        assert_close(fast, generic, rtol=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_the_block_size_does_not_matter(skew_rows, assert_same_form, family_of, d):
    X = skew_rows(np.random.default_rng(1), 300, d)
    families = [family_of(np.random.default_rng(2), d, block_rows=rows) for rows in (7, 128, 1024)]
    forms = [family.implicit_form(X, np.ones(300)) for family in families]
    phi = np.ones(families[0].n_parameters)
    scores = [family.score(phi, X) for family in families]
    for form, score in zip(forms[1:], scores[1:], strict=True):
        assert_same_form(form, forms[0], rtol=1e-12)
        assert_close(score, scores[0], rtol=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_weights_are_repeated_rows(rng, skew_rows, assert_same_form, family_of, d):
    family, X, counts = family_of(rng, d), skew_rows(rng, 200, d), rng.integers(0, 4, 200)
    repeated = family.assemble(np.repeat(X, counts, axis=0), None, None, Implicit())
    assert_same_form(family.assemble(X, None, counts.astype(float), Implicit()), repeated, rtol=1e-11)


@pytest.mark.parametrize("objective", [Explicit(), Sliced(), Denoising(0.3)], ids=lambda law: type(law).__name__)
def test_other_objectives_take_the_generic_route(rng, skew_rows, assert_same_form, family_of, objective):
    family, X = family_of(rng, 2), skew_rows(rng, 50, 2)
    Y = rng.standard_normal(X.shape)
    generic = Family.assemble(family, X, Y, None, objective)
    assert_same_form(family.assemble(X, Y, None, objective), generic, rtol=1e-15)


# ---- reference numbers ---------------------------------------------------------------------------


def reference_nystrom(case, X):
    bound, flat = (X[:8], np.eye(2) / case["sigma"]), resolve_base(None, None)
    return NystromFamily(*bound, orthonormal_basis(NystromFamily(*bound, np.eye(16), flat).gram()), flat)


def reference_fourier(case, X):
    return FourierFamily(np.array(case["omega"]), np.array(case["u"]), np.eye(10), resolve_base(None, None))


REFERENCES = {"nystrom_m=8_nobase": reference_nystrom, "rff_m=10_nobase": reference_fourier}
ROUTES = {
    "generic": lambda family, X: Family.assemble(family, X, None, None, Implicit()),
    "fast": lambda family, X: family.implicit_form(X, np.ones(len(X))),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", REFERENCES)
def test_reference(cases, rows, name, route):
    case = cases[name]
    X, evaluated, held_out = (rows(case[part]) for part in ("train", "eval", "heldout"))
    family = REFERENCES[name](case, X)
    form = ROUTES[route](family, X)
    phi = solve_ridge(form, case["lam"]).theta
    np.testing.assert_allclose(form.g, family.basis.T @ case["g"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(family.basis @ phi, case["theta"], rtol=1e-8)
    np.testing.assert_allclose(form.value(phi), case["J_train"], rtol=1e-9)
    np.testing.assert_allclose(family.log_density(phi, evaluated), case["log_unnorm"], rtol=1e-9)
    np.testing.assert_allclose(family.score(phi, evaluated), case["grad"], rtol=1e-9)
    np.testing.assert_allclose(family.divergence(phi, evaluated), case["laplacian"], rtol=1e-9)
    score, divergence = family.score(phi, held_out), family.divergence(phi, held_out)
    np.testing.assert_allclose(score_losses.implicit(score, divergence).mean(), case["J_heldout"], rtol=1e-9)
