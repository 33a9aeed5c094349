"""The Nyström basis: fast routes and generic ones, derivatives and differences, reference numbers."""

import json

import numpy as np
import pytest

from skscore.fitting.solvers import solve_ridge
from skscore.formulas import objectives
from skscore.models import GaussianBase
from skscore.models.base import resolve_base
from skscore.models.family import Family
from skscore.models.forms import Denoising, Explicit, Implicit, Sliced
from skscore.models.kernels.nystrom import NystromFamily
from skscore.models.kernels.rkhs import orthonormal_basis

METRICS = {
    "isotropic": lambda d: np.eye(d) / 1.3,
    "by column": lambda d: np.diag(1.0 / np.linspace(0.7, 1.9, d)),
    "full": lambda d: np.eye(d) / 1.3 + 0.3 * np.eye(d, k=1),
}
BASES = {"gaussian": lambda d: GaussianBase(0.5, np.linspace(1, 2, d)), "flat": lambda d: resolve_base(None, None)}


def nystrom(rng, d, metric="full", base="gaussian", m=9, **parameters):
    basis = np.linalg.qr(rng.standard_normal((m * d, m * d)))[0][:, : m * d - 2]
    return NystromFamily(1.5 + rng.standard_normal((m, d)), METRICS[metric](d), basis, BASES[base](d), **parameters)


def assert_close(actual, expected, rtol):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


# ---- T is the derivative of the kernel -----------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 3])
def test_statistics_are_slopes_of_the_kernel_at_the_landmarks(rng, skew_rows, d, metric):
    Z, X, factor, step = skew_rows(rng, 5, d), skew_rows(rng, 7, d), METRICS[metric](d), 1e-5
    family = NystromFamily(Z, factor, np.eye(5 * d), BASES["flat"](d))

    def kernel(Z):
        return np.exp(-0.5 * (((X[:, None] - Z) @ factor) ** 2).sum(axis=2))

    slopes = np.stack([(kernel(Z + step * e) - kernel(Z - step * e)) / (2 * step) for e in np.eye(d)], axis=2)
    np.testing.assert_allclose(family.statistics(X), slopes.reshape(7, 5 * d), atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_derivatives_are_central_differences(rng, skew_rows, d, metric):
    family, X, step = nystrom(rng, d, metric), skew_rows(rng, 20, d), 1e-5
    jacobian, V = family.jacobian(X), rng.standard_normal((20, d))
    for j, e in enumerate(step * np.eye(d)):
        slope = (family.statistics(X + e) - family.statistics(X - e)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, j], slope, atol=1e-8)
    bend = np.einsum("nrd,nd->nr", family.jacobian(X + step * V) - family.jacobian(X - step * V), V) / (2 * step)
    np.testing.assert_allclose(family.curvature(X, V), bend, atol=1e-7)
    np.testing.assert_allclose(family.laplacian(X), sum(family.curvature(X, e) for e in np.eye(d)), atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_gram_is_the_slope_of_the_functions_at_the_landmarks(rng, skew_rows, metric):
    """∂T_{a,i}(x)/∂x_l at x = z_b is the metric of the RKHS norm."""
    Z = skew_rows(rng, 6, 3)
    family = NystromFamily(Z, METRICS[metric](3), np.eye(18), BASES["flat"](3))
    np.testing.assert_allclose(family.gram(), np.moveaxis(family.jacobian(Z), 0, 1).reshape(18, 18), atol=1e-14)
    assert np.linalg.eigvalsh(family.gram()).min() > 0.0


# ---- fast routes and generic ones ----------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
def test_fast_form_is_the_generic_form(rng, skew_rows, assert_same_form, d, metric, base):
    family, X, weight = nystrom(rng, d, metric, base), skew_rows(rng, 150, d), rng.random(150)
    weight[3] = 0.0
    generic = Family.assemble(family, X, None, weight, Implicit())
    assert_same_form(family.implicit_form(X, weight), generic, rtol=1e-11)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 3, 6])
def test_fast_evaluation_is_the_generic_one(rng, skew_rows, d, metric, base):
    family, X = nystrom(rng, d, metric, base), skew_rows(rng, 100, d)
    phi, V, A = rng.standard_normal(family.n_parameters), rng.standard_normal(X.shape), rng.standard_normal((d, d))
    curvatures = [family.curvature(X, a) @ phi + family.base.curvature(X, a) for a in A]
    for fast, generic in (
        (family.log_density(phi, X), Family.log_density(family, phi, X)),
        (family.grad_log_density(phi, X), phi @ family.jacobian(X) + family.base.grad_log_density(X)),
        (family.divergence(phi, X), family.laplacian(X) @ phi + family.base.divergence(X)),
        (family.log_density_curvature(phi, X, V), family.curvature(X, V) @ phi + family.base.curvature(X, V)),
        (family.traced_curvature(phi, X, A), sum(curvatures)),
    ):
        assert_close(fast, generic, rtol=1e-11)


@pytest.mark.parametrize("d", [2, 5])
def test_the_block_size_does_not_matter(skew_rows, assert_same_form, d):
    X = skew_rows(np.random.default_rng(1), 300, d)
    families = [nystrom(np.random.default_rng(2), d, block_rows=rows) for rows in (7, 128, 1024)]
    forms = [family.implicit_form(X, np.ones(300)) for family in families]
    phi = np.ones(families[0].n_parameters)
    scores = [family.grad_log_density(phi, X) for family in families]
    for form, score in zip(forms[1:], scores[1:], strict=True):
        assert_same_form(form, forms[0], rtol=1e-12)
        assert_close(score, scores[0], rtol=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_weights_are_repeated_rows(rng, skew_rows, assert_same_form, d):
    family, X, counts = nystrom(rng, d), skew_rows(rng, 200, d), rng.integers(0, 4, 200)
    repeated = family.assemble(np.repeat(X, counts, axis=0), None, None, Implicit())
    assert_same_form(family.assemble(X, None, counts.astype(float), Implicit()), repeated, rtol=1e-11)


@pytest.mark.parametrize(
    "objective", [Explicit(), Sliced(), Denoising(0.3)], ids=lambda objective: type(objective).__name__
)
def test_other_objectives_take_the_generic_route(rng, skew_rows, assert_same_form, objective):
    family, X = nystrom(rng, 2, m=4), skew_rows(rng, 50, 2)
    Y = rng.standard_normal(X.shape)
    assert_same_form(family.assemble(X, Y, None, objective), Family.assemble(family, X, Y, None, objective), rtol=1e-15)


@pytest.mark.parametrize("d", [2, 5])
def test_an_offset_of_the_table_changes_nothing(rng, skew_rows, assert_same_form, d):
    """Distances are taken from the centre of the landmarks, so an offset costs only the digits that X itself loses."""
    X, Z, factor, basis = skew_rows(rng, 200, d), skew_rows(rng, 6, d), METRICS["full"](d), np.eye(6 * d)
    forms = [
        NystromFamily(Z + offset, factor, basis, BASES["flat"](d)).implicit_form(X + offset, np.ones(200))
        for offset in (0.0, 2.0**20)
    ]
    assert_same_form(forms[1], forms[0], rtol=1e-8)


# ---- reference numbers ---------------------------------------------------------------------------


def rows(reference, name):
    return np.loadtxt(reference / "data" / f"{name}.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("route", ["assemble", "implicit_form"])
def test_reference(reference, route):
    case = json.loads((reference / "kernel_and_polynomial.json").read_text())["cases"]["nystrom_m=8_nobase"]
    X, evaluated, held_out = (rows(reference, case[part]) for part in ("train", "eval", "heldout"))
    bound = X[:8], np.eye(2) / case["sigma"]
    basis = orthonormal_basis(NystromFamily(*bound, np.eye(16), resolve_base(None, None)).gram())
    family = NystromFamily(*bound, basis, resolve_base(None, None))
    form = family.assemble(X, None, None, Implicit()) if route == "assemble" else family.implicit_form(X, np.ones(40))
    phi = solve_ridge(form, case["lam"])
    np.testing.assert_allclose(basis @ phi, case["theta"], rtol=1e-8)
    np.testing.assert_allclose(form.value(phi), case["J_train"], rtol=1e-9)
    np.testing.assert_allclose(family.log_density(phi, evaluated), case["log_unnorm"], rtol=1e-9)
    np.testing.assert_allclose(family.grad_log_density(phi, evaluated), case["grad"], rtol=1e-9)
    np.testing.assert_allclose(family.divergence(phi, evaluated), case["laplacian"], rtol=1e-9)
    score, divergence = family.grad_log_density(phi, held_out), family.divergence(phi, held_out)
    np.testing.assert_allclose(objectives.implicit(score, divergence).mean(), case["J_heldout"], rtol=1e-9)
