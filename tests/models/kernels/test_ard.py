"""Gradients of the held-out objective against differences and reference numbers, and what their descent finds."""

import json

import numpy as np
import pytest

from skscore.models.base import GaussianBase, resolve_base
from skscore.models.kernels.ard import ColumnKernels, held_out_objective, optimise_precisions
from skscore.models.objectives import Implicit

BASES = {"gaussian": GaussianBase(0.5, 1.4), "flat": resolve_base(None, None)}


def folds(X, k):
    return [(X[fold::k], np.ones(len(X[fold::k]))) for fold in range(k)]


def differences(function, at, step=1e-4):
    """Derivatives by central differences of order four, of a function of shape (len(at),)."""
    steps = step * np.eye(len(at))
    near, far = ([function(at + s * e) - function(at - s * e) for e in steps] for s in (1, 2))
    return (8.0 * np.array(near) - np.array(far)) / (12.0 * step)


@pytest.mark.parametrize("d", [1, 3, 6])
@pytest.mark.parametrize("base", BASES)
def test_slopes_of_means_are_differences(rng, skew_rows, base, d):
    X, landmarks, weight = skew_rows(rng, 50, d), skew_rows(rng, 7, d), rng.random(50)
    b, a = rng.standard_normal((2, 7))
    precision = np.linspace(0.5, 1.7, d)

    def kernels(tau):
        return ColumnKernels(landmarks, tau, BASES[base], "identity")

    def mean(tau):
        form = kernels(tau).assemble(X, None, weight, Implicit())
        return weight.sum() * (b @ form.gradient(a))

    found = kernels(precision).mean_slopes(X, weight, [(b, a)])[0]
    np.testing.assert_allclose(found, differences(mean, precision, step=1e-3), rtol=1e-7)


@pytest.mark.parametrize("regularizer", ["rkhs", "identity"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("held_out", [None, [1]], ids=["every fold", "one fold"])
def test_the_gradient_is_the_difference(rng, skew_rows, base, regularizer, held_out):
    X, landmarks = skew_rows(rng, 90, 3), skew_rows(rng, 12, 3)
    tables = [(table, rng.random(len(table))) for table in (X[:20], X[20:50], X[50:])]
    at = np.log([0.5, 1.0, 1.7, 0.03])

    def objective(logarithms):
        *tau, alpha = np.exp(logarithms)
        return held_out_objective(
            ColumnKernels(landmarks, np.array(tau), BASES[base], regularizer), alpha, tables, held_out
        )

    expected = differences(lambda logarithms: objective(logarithms)[0], at, step=1e-3)
    np.testing.assert_allclose(objective(at)[1], expected, rtol=1e-6)


def test_the_block_size_does_not_matter(rng, skew_rows):
    X, weight, family = (
        skew_rows(rng, 50, 3),
        rng.random(50),
        ColumnKernels(skew_rows(rng, 7, 3), np.ones(3), BASES["flat"]),
    )
    pairs = [tuple(rng.standard_normal((2, 7))) for _ in range(2)]
    whole = family.mean_slopes(X, weight, pairs)
    family.block_rows = 13
    np.testing.assert_allclose(family.mean_slopes(X, weight, pairs), whole, rtol=1e-12)


def ring_and_noise(rng, n):
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    ring = np.sqrt(2.0) * np.column_stack([np.cos(angle), np.sin(angle)]) + 0.2 * rng.standard_normal((n, 2))
    return np.column_stack([ring, rng.standard_normal(n)])


@pytest.mark.parametrize("alpha", [1e-2, 1e-5], ids=["good ridge", "hardly a ridge"])
@pytest.mark.parametrize("seed", range(3))
def test_a_column_of_noise_gets_a_long_bandwidth(seed, alpha):
    """And fresh rows agree that this is better than any common bandwidth."""
    rng = np.random.default_rng(seed)
    X, fresh = ring_and_noise(rng, 300), ring_and_noise(rng, 3000)
    landmarks, base = X[:40], GaussianBase()

    def on_fresh_rows(precision, ridge):
        tables = [(X, np.ones(len(X))), (fresh, np.ones(len(fresh)))]
        return held_out_objective(ColumnKernels(landmarks, precision, base), ridge, tables, held_out=[1])[0]

    precision, ridge, reached = optimise_precisions(folds(X, 3), landmarks, base, bandwidth=1.0, alpha=alpha)
    assert precision[2] < 0.1 * precision[:2].min()
    common = [on_fresh_rows(np.full(3, s**-2.0), ridge) for s in (0.5, 1.0, 2.0) for ridge in (1e-3, 1e-2, 1e-1)]
    assert on_fresh_rows(precision, ridge) < min(common) - 2.0
    value, gradient = held_out_objective(ColumnKernels(landmarks, precision, base), ridge, folds(X, 3))
    assert reached == pytest.approx(value)
    at_bound = np.isclose(precision, 20.0**-2.0)  # where the gradient need not vanish
    np.testing.assert_allclose(gradient[:3][~at_bound], 0.0, atol=1e-2)


# ---- reference numbers ---------------------------------------------------------------------------

CASES = {"cv_lite_m=12_R=K_nobase_lam=0.001": None, "cv_lite_m=12_R=K_gaussbase_lam=0.1": "lite_m=12_R=K_gaussbase"}


@pytest.mark.parametrize("name", CASES)
def test_reference(reference, name):
    cases = json.loads((reference / "kernel_and_polynomial.json").read_text())["cases"]
    case, source = cases[name], CASES[name]
    train, test = (
        np.loadtxt(reference / "data" / f"{case[part]}.csv", delimiter=",", skiprows=1) for part in ("train", "heldout")
    )
    base = GaussianBase(cases[source]["base"]["mu"], cases[source]["base"]["s"]) if source else resolve_base(None, None)
    tau, alpha = np.full(2, case["sigma"] ** -2.0), case["lam"]
    tables = [(train, np.ones(len(train))), (test, np.ones(len(test)))]
    value, gradient = held_out_objective(ColumnKernels(train[:12], tau, base), alpha, tables, held_out=[1])
    np.testing.assert_allclose(value, case["J_heldout"], rtol=1e-8)
    np.testing.assert_allclose(gradient, [*(tau * case["dJ_dtau"]), alpha * case["dJ_dlam"]], rtol=1e-6)
