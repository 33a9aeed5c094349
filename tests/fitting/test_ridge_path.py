"""Paths of ridges: closed forms against refits, and reference numbers."""

import json
from functools import reduce
from operator import add

import numpy as np
import pytest

from skscore.fitting.ridge_path import RidgePath, held_out_values, leave_one_out, without
from skscore.fitting.solvers import solve_ridge
from skscore.formulas.quadratic import QuadraticForm
from skscore.models.base import GaussianBase, resolve_base
from skscore.models.kernels.lite import LiteFamily
from skscore.models.kernels.rkhs import orthonormal_basis
from skscore.models.objectives import Implicit

ALPHAS = np.array([1e-3, 0.1, 10.0])


def random_rows(rng, n, r, d):
    """D, linear, constant and weight of rows, one of which counts for nothing."""
    weight = rng.gamma(1.0, 2.0, n)
    weight[2] = 0.0
    return rng.standard_normal((n, r, d)), rng.standard_normal((n, r)), rng.standard_normal(n), weight


def form_of(D, linear, constant, weight):
    share = weight / weight.sum()
    Gamma = np.einsum("n,nad,nbd->ab", share, D, D)
    return QuadraticForm(Gamma, -share @ linear, share @ constant, weight.sum())


def cut(rows, size):
    return [tuple(part[start : start + size] for part in rows) for start in range(0, len(rows[0]), size)]


def test_the_path_meets_the_solver(rng):
    form = form_of(*random_rows(rng, 30, 6, 2))
    expected = [solve_ridge(form, alpha).theta for alpha in ALPHAS]
    np.testing.assert_allclose(RidgePath(form).thetas(ALPHAS), expected, rtol=1e-10)


@pytest.mark.parametrize("r", [1, 2, 40])
def test_a_tridiagonal_form_solves_as_eigenvalues_do(rng, r):
    """For several right-hand sides, down to ridges of a hundred times the rounding of Γ."""
    J = rng.standard_normal((3 * r, r)) * np.logspace(0.0, -5.0, r)
    path = RidgePath(QuadraticForm(J.T @ J, rng.standard_normal((4, r)), 0.0, 1.0))
    alphas = np.linalg.norm(J, 2) ** 2 * np.array([1e-10, 1e-3, 10.0])
    expected = [[np.linalg.solve(J.T @ J + alpha * np.eye(r), g) for alpha in alphas] for g in path.form.g]
    np.testing.assert_allclose(path.thetas(alphas), expected, rtol=1e-4)
    np.testing.assert_allclose(path._by_eigenvalues(alphas), expected, rtol=1e-4)


def test_ridges_below_the_rounding_of_an_indefinite_form_are_solved_too(rng):
    Q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    form = QuadraticForm((Q * [1.0, 0.5, 0.1, 1e-3, -1e-9]) @ Q.T, Q[:, 0], 0.0, 1.0)
    np.testing.assert_allclose(RidgePath(form).thetas([1e-9, 0.0]), [Q[:, 0], Q[:, 0]], atol=1e-6)


def test_a_form_without_a_fold_is_the_form_of_the_other_rows(rng):
    rows = random_rows(rng, 20, 4, 2)
    blocks = cut(rows, 7)
    rest = form_of(*(np.concatenate([part[:7], part[14:]]) for part in rows))
    found = without([form_of(*block) for block in blocks], 1)
    for name in ("Gamma", "g", "c", "n"):
        np.testing.assert_allclose(getattr(found, name), getattr(rest, name), rtol=1e-12, atol=1e-14)


def test_held_out_values_are_those_of_refits(rng):
    folds = [form_of(*block) for block in cut(random_rows(rng, 30, 6, 2), 9)]
    values = held_out_values(folds, ALPHAS)
    for k, fold in enumerate(folds):
        others = reduce(add, folds[:k] + folds[k + 1 :])
        expected = [fold.value(solve_ridge(others, alpha).theta) for alpha in ALPHAS]
        np.testing.assert_allclose(values[k], expected, rtol=1e-9)


@pytest.mark.parametrize(("r", "d"), [(6, 1), (6, 3), (40, 2)])  # the last with fewer rows than parameters
def test_leaving_one_out_is_a_refit(rng, r, d):
    rows = random_rows(rng, 12, r, d)
    values = leave_one_out(form_of(*rows), cut(rows, 5), ALPHAS)
    for i in range(12):
        others = form_of(*(np.delete(part, i, axis=0) for part in rows))
        row = form_of(*(part[[i]] for part in rows[:3]), np.ones(1))
        expected = [row.value(solve_ridge(others, alpha).theta) for alpha in ALPHAS]
        np.testing.assert_allclose(values[i], expected, rtol=1e-8)


def test_the_unit_of_weights_does_not_matter(rng):
    *rows, weight = random_rows(rng, 12, 5, 2)
    values = [leave_one_out(form_of(*rows, w), [(*rows, w)], ALPHAS) for w in (weight, 1e-3 * weight)]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-10)


# ---- reference numbers ---------------------------------------------------------------------------

CASES = {"cv_lite_m=12_R=K_nobase_lam=0.001": None, "cv_lite_m=12_R=K_gaussbase_lam=0.1": "lite_m=12_R=K_gaussbase"}


@pytest.fixture(scope="module")
def cases(reference):
    return json.loads((reference / "kernel_and_polynomial.json").read_text())["cases"]


def test_no_case_is_left_out(cases):
    assert {name for name in cases if name.startswith("cv")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_reference(cases, reference, name):
    case, source = cases[name], CASES[name]
    X = np.loadtxt(reference / "data" / f"{case['train']}.csv", delimiter=",", skiprows=1)
    base = GaussianBase(cases[source]["base"]["mu"], cases[source]["base"]["s"]) if source else resolve_base(None, None)
    flat = LiteFamily(X[:12], np.eye(2) / case["sigma"], np.eye(12), base)
    family = LiteFamily(X[:12], flat.factor, orthonormal_basis(flat.statistics(X[:12])), base)
    folds = [family.assemble(X[k::5], None, None, Implicit()) for k in range(5)]
    np.testing.assert_allclose(held_out_values(folds, [case["lam"]])[:, 0], case["J_5fold_mod5"], rtol=1e-8)
    blocks = [(*block, np.ones(len(block[0]))) for block in Implicit().rows(family, X, None)]
    values = leave_one_out(reduce(add, folds), blocks, [case["lam"]])[:, 0]
    np.testing.assert_allclose(values, case["J_loo"], rtol=1e-8)
    np.testing.assert_allclose(values.mean(), case["J_loo_mean"], rtol=1e-8)
