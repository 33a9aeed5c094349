"""Random Fourier features: the kernel they approximate, fast routes and generic ones, reference numbers."""

import json

import numpy as np
import pytest

from skscore.fitting.solvers import solve_ridge
from skscore.formulas import objectives
from skscore.models import GaussianBase
from skscore.models.base import resolve_base
from skscore.models.family import Family
from skscore.models.forms import Denoising, Explicit, Implicit, Sliced
from skscore.models.kernels.fourier import FourierFamily, frequencies

BASES = {"gaussian": lambda d: GaussianBase(0.5, np.linspace(1, 2, d)), "flat": lambda d: resolve_base(None, None)}


def fourier(rng, d, base="gaussian", m=11, **parameters):
    basis = np.linalg.qr(rng.standard_normal((m, m)))[0][:, : m - 2]
    return FourierFamily(*frequencies(1.3, d, m, rng), basis, BASES[base](d), **parameters)


def assert_close(actual, expected, rtol):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


# ---- frequencies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [1.7, np.array([0.8, 2.0, 1.1])], ids=["one", "by column"])
def test_features_approximate_the_kernel(rng, skew_rows, bandwidth):
    X, draws = skew_rows(rng, 12, 3), [frequencies(bandwidth, 3, 300, rng) for _ in range(100)]
    features = [FourierFamily(*draw, np.eye(300), BASES["flat"](3)).statistics(X) for draw in draws]
    kernel = np.exp(-0.5 * (((X[:, None] - X) / bandwidth) ** 2).sum(axis=2))
    atol = 5.0 * np.sqrt(1.5 / 30000)  # 2 cos cos' has a variance of at most 3/2
    np.testing.assert_allclose(np.mean([T @ T.T for T in features], axis=0), kernel, atol=atol)


@pytest.mark.parametrize("d", [1, 4])
def test_frequencies_are_normal(rng, d):
    n = 40000
    omega, phases = frequencies(2.0, d, n, rng)
    np.testing.assert_allclose(4.0 * omega @ omega.T / n, np.eye(d), atol=5.0 * np.sqrt(2.0 / n))
    np.testing.assert_allclose((4.0 * (omega**2).sum(axis=0)).var(), 2.0 * d, rtol=0.1)  # of a χ² law
    np.testing.assert_allclose(np.exp(1j * phases).mean(), 0.0, atol=5.0 / np.sqrt(n))


def test_orthogonal_frequencies_are_nearer_to_the_kernel_than_independent_ones(rng):
    X, m, d = 0.5 * rng.standard_normal((30, 6)), 60, 6
    kernel = np.exp(-0.5 * ((X[:, None] - X) ** 2).sum(axis=2))

    def error(omega):  # of the mean over phases, which is Σ_j cos(ω_j·(x − z))/m
        waves = np.exp(1j * X @ omega)
        return ((waves @ waves.conj().T).real / m - kernel).std()

    orthogonal = np.mean([error(frequencies(1.0, d, m, rng)[0]) for _ in range(50)])
    independent = np.mean([error(rng.standard_normal((d, m))) for _ in range(50)])
    assert orthogonal < 0.7 * independent


# ---- derivatives and routes ----------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
def test_derivatives_are_central_differences(rng, skew_rows, d):
    family, X, step = fourier(rng, d), skew_rows(rng, 20, d), 1e-5
    jacobian, V = family.jacobian(X), rng.standard_normal((20, d))
    for j, e in enumerate(step * np.eye(d)):
        slope = (family.statistics(X + e) - family.statistics(X - e)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, j], slope, atol=1e-8)
    bend = np.einsum("nrd,nd->nr", family.jacobian(X + step * V) - family.jacobian(X - step * V), V) / (2 * step)
    np.testing.assert_allclose(family.curvature(X, V), bend, atol=1e-7)
    np.testing.assert_allclose(family.laplacian(X), sum(family.curvature(X, e) for e in np.eye(d)), atol=1e-12)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("d", [1, 3, 6])
def test_fast_form_is_the_generic_form(rng, skew_rows, assert_same_form, d, base):
    family, X, weight = fourier(rng, d, base), skew_rows(rng, 150, d), rng.random(150)
    weight[3] = 0.0
    generic = Family.assemble(family, X, None, weight, Implicit())
    assert_same_form(family.assemble(X, None, weight, Implicit()), generic, rtol=1e-11)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("d", [1, 3, 6])
def test_fast_evaluation_is_the_generic_one(rng, skew_rows, d, base):
    family, X = fourier(rng, d, base), skew_rows(rng, 100, d)
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


def test_the_block_size_does_not_matter(skew_rows, assert_same_form):
    X = skew_rows(np.random.default_rng(1), 300, 3)
    families = [fourier(np.random.default_rng(2), 3, block_rows=rows) for rows in (7, 128, 1024)]
    forms = [family.assemble(X, None, None, Implicit()) for family in families]
    phi = np.ones(families[0].n_parameters)
    scores = [family.grad_log_density(phi, X) for family in families]
    for form, score in zip(forms[1:], scores[1:], strict=True):
        assert_same_form(form, forms[0], rtol=1e-12)
        assert_close(score, scores[0], rtol=1e-12)


def test_weights_are_repeated_rows(rng, skew_rows, assert_same_form):
    family, X, counts = fourier(rng, 3), skew_rows(rng, 200, 3), rng.integers(0, 4, 200)
    repeated = family.assemble(np.repeat(X, counts, axis=0), None, None, Implicit())
    assert_same_form(family.assemble(X, None, counts.astype(float), Implicit()), repeated, rtol=1e-11)


@pytest.mark.parametrize("objective", [Explicit(), Sliced(), Denoising(0.3)], ids=lambda law: type(law).__name__)
def test_other_objectives_take_the_generic_route(rng, skew_rows, assert_same_form, objective):
    family, X = fourier(rng, 2), skew_rows(rng, 50, 2)
    Y = rng.standard_normal(X.shape)
    generic = Family.assemble(family, X, Y, None, objective)
    assert_same_form(family.assemble(X, Y, None, objective), generic, rtol=1e-15)


# ---- reference numbers ---------------------------------------------------------------------------


def rows(reference, name):
    return np.loadtxt(reference / "data" / f"{name}.csv", delimiter=",", skiprows=1)


def test_reference(reference):
    case = json.loads((reference / "kernel_and_polynomial.json").read_text())["cases"]["rff_m=10_nobase"]
    X, evaluated, held_out = (rows(reference, case[part]) for part in ("train", "eval", "heldout"))
    family = FourierFamily(np.array(case["omega"]), np.array(case["u"]), np.eye(10), resolve_base(None, None))
    form = family.assemble(X, None, None, Implicit())
    theta = solve_ridge(form, case["lam"])
    np.testing.assert_allclose(form.g, case["g"], rtol=1e-12)
    np.testing.assert_allclose(theta, case["theta"], rtol=1e-8)
    np.testing.assert_allclose(form.value(theta), case["J_train"], rtol=1e-9)
    np.testing.assert_allclose(family.log_density(theta, evaluated), case["log_unnorm"], rtol=1e-9)
    np.testing.assert_allclose(family.grad_log_density(theta, evaluated), case["grad"], rtol=1e-9)
    np.testing.assert_allclose(family.divergence(theta, evaluated), case["laplacian"], rtol=1e-9)
    score, divergence = family.grad_log_density(theta, held_out), family.divergence(theta, held_out)
    np.testing.assert_allclose(objectives.implicit(score, divergence).mean(), case["J_heldout"], rtol=1e-9)
