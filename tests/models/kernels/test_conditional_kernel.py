"""The conditional kernel family: fast and generic routes, its reduction to kernels of targets, and its integrals."""

import re

import numpy as np
import pytest

from skscore.fitting.solvers import solve_ridge
from skscore.models.base import GaussianBase
from skscore.models.family import Family
from skscore.models.kernels.conditional_kernel import ConditionalLiteFamily
from skscore.models.kernels.conditional_law import ConditionalDensity, base_nodes, chosen_nodes, trapezoid
from skscore.models.kernels.conditional_selection import select
from skscore.models.kernels.lite import LiteFamily
from skscore.models.objectives import Implicit

SHAPES = [(1, 1), (3, 1), (2, 2), (1, 3), (4, 5)]  # inputs, targets
shapes = pytest.mark.parametrize(("d", "t"), SHAPES)


def joint_rows(rng, n, d, t):
    U = rng.standard_normal((n, d))
    return np.hstack([U, np.sin(U[:, :1]) + 0.5 * rng.gamma(2.0, 1.0, (n, t))])


def family_of(rng, d, t, m=15, **parameters):
    return ConditionalLiteFamily(joint_rows(rng, m, d, t), d, 1.4, 1.1, **parameters)


def fitted_law(rng, d, t):
    family = family_of(rng, d, t)
    phi = solve_ridge(family.assemble(joint_rows(rng, 500, d, t), None, None, Implicit()), 1e-3).theta
    return ConditionalDensity(family, phi, chosen_nodes(family, phi, seed=0))


@shapes
def test_statistics_are_products_of_kernels(rng, d, t):
    family, rows = family_of(rng, d, t), joint_rows(rng, 20, d, t)
    product = family.input_kernel(rows[:, :d]) * family.target_kernel(rows[:, d:])
    np.testing.assert_allclose(family.statistics(rows), product @ family.basis, rtol=1e-9, atol=1e-11)


@shapes
def test_derivatives_are_differences_in_the_targets(rng, d, t):
    family, rows, h = family_of(rng, d, t, basis=np.eye(15)), joint_rows(rng, 10, d, t), 1e-4
    V = rng.standard_normal((10, t))
    steps = np.zeros((t + 1, 10, d + t))
    steps[np.arange(t), :, d + np.arange(t)] = h
    steps[t, :, d:] = h * V
    above, here, below = (np.stack([family.statistics(rows + k * step) for step in steps]) for k in (1, 0, -1))
    slopes, curvatures = (above - below) / (2.0 * h), (above - 2.0 * here + below) / h**2
    np.testing.assert_allclose(family.jacobian(rows), np.moveaxis(slopes[:t], 0, -1), atol=1e-7)
    np.testing.assert_allclose(family.laplacian(rows), curvatures[:t].sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(family.statistics_curvature(rows, V), curvatures[t], atol=1e-5)


@shapes
def test_fast_form_is_the_sum_of_jacobians(rng, assert_same_form, d, t):
    family, rows, weight = family_of(rng, d, t, basis=np.eye(15)), joint_rows(rng, 200, d, t), rng.random(200)
    fast = family.implicit_form(rows, weight)
    assert_same_form(fast, Family.assemble(family, rows, None, weight, Implicit()), rtol=1e-12)
    J = family.jacobian(rows)
    by_hand = np.einsum("n,nat,nbt->ab", weight, J, J) / weight.sum()
    np.testing.assert_allclose(fast.Gamma, by_hand, atol=1e-12 * np.abs(by_hand).max())


@shapes
def test_fast_evaluation_is_the_generic_one(rng, d, t):
    family, rows = family_of(rng, d, t, basis=np.eye(15)), joint_rows(rng, 50, d, t)
    phi, V = rng.standard_normal(15), rng.standard_normal(t)
    for name, arguments in {
        "log_density": (rows,),
        "score": (rows,),
        "divergence": (rows,),
        "curvature": (rows, V),
    }.items():
        generic = getattr(Family, name)(family, phi, *arguments)
        np.testing.assert_allclose(getattr(family, name)(phi, *arguments), generic, rtol=1e-10, atol=1e-10)


@shapes
def test_a_constant_input_kernel_leaves_the_kernels_of_targets(rng, assert_same_form, d, t):
    """k_X = 1 is the unconditional family of v."""
    landmarks, rows, weight = joint_rows(rng, 15, d, t), joint_rows(rng, 100, d, t), rng.random(100)
    conditional = ConditionalLiteFamily(landmarks, d, 1e9, 1.1, basis=np.eye(15))
    marginal = LiteFamily(landmarks[:, d:], np.eye(t) / 1.1, np.eye(15), GaussianBase())
    assert_same_form(conditional.implicit_form(rows, weight), marginal.implicit_form(rows[:, d:], weight), rtol=1e-12)


@pytest.mark.parametrize("t", [1, 2])
def test_quadrature_settles(rng, t):
    """Half the step says the same, far below what matters, and draws of the base measure agree."""
    law, U = fitted_law(rng, 2, t), rng.standard_normal((20, 2))
    finer = ConditionalDensity(law.family, law.phi, trapezoid(law.family, law.nodes.cell / 2.0))
    np.testing.assert_allclose(law.log_normalizer(U), finer.log_normalizer(U), atol=1e-6)
    np.testing.assert_allclose(law.mean(U), finer.mean(U), atol=1e-5)
    drawn = ConditionalDensity(law.family, law.phi, base_nodes(1 << 14, t, rng))
    np.testing.assert_allclose(drawn.log_normalizer(U), law.log_normalizer(U), atol=0.02)


@pytest.mark.parametrize(("t", "bandwidth"), [(1, 1e-4), (2, 0.01), (2, 500.0)])
def test_kernels_between_the_nodes_are_remarked(t, bandwidth):
    """Where the step that kernels need would take more memory than there is."""
    family = ConditionalLiteFamily(np.zeros((1, 1 + t)), 1, 1.0, bandwidth)
    (remark,) = chosen_nodes(family, np.array([0.1]), seed=0).remarks
    assert f"apart, too far for bandwidth {bandwidth:.3g}" in remark


@pytest.mark.parametrize("t", [1, 2, 3])
def test_draws_follow_the_law(rng, t):
    """Their means and second moments are those of the nodes, within four standard errors."""
    law, U, n = fitted_law(rng, 1, t), np.array([[-1.0], [0.0], [1.5]]), 8000
    draws = law.sample(U, n, rng)
    assert draws.shape == (3, n, t)
    n_effective = n if t < 3 else 2000  # resampled from 8192 draws
    error = draws.std(axis=1) / np.sqrt(n_effective)
    assert (np.abs(draws.mean(axis=1) - law.mean(U)) < 4.0 * error).all()


def test_one_row_at_a_time_says_the_same(rng):
    law, rows = fitted_law(rng, 2, 1), joint_rows(rng, 30, 2, 1)
    alone = np.concatenate([law.log_density(row[None]) for row in rows])
    np.testing.assert_allclose(law.log_density(rows), alone, rtol=1e-12, atol=1e-12)


def test_few_effective_draws_are_remarked(rng):
    family = ConditionalLiteFamily(np.array([[0.0, 1.5, 1.5, 1.5]]), 1, 1.0, 1.0)
    law = ConditionalDensity(family, np.array([20.0]), chosen_nodes(family, None, seed=0))
    (remark,) = law.remarks(np.zeros((2, 1)))
    assert re.search(r"at worst 0\.\d+ % of 8192", remark)


@pytest.mark.parametrize("criterion", ["log_likelihood", "hyvarinen"])
def test_selection_is_the_best_of_fits_to_other_folds(rng, criterion):
    """One eigendecomposition for a path of ridges meets a solve for each; the sum over rows meets the form."""
    rows, weight, fold = joint_rows(rng, 90, 1, 1), rng.random(90) + 0.5, np.arange(90) % 3
    landmarks, candidates = rows[::9], ([0.7, 2.0], [1.0], np.array([1e-3, 1e-1]))
    expected = []
    for input_bandwidth in candidates[0]:
        family = ConditionalLiteFamily(landmarks, 1, input_bandwidth, 1.0)
        for alpha in candidates[2]:
            values = np.empty(90)
            for k in range(3):
                train, test = fold != k, fold == k
                phi = solve_ridge(family.assemble(rows[train], None, weight[train], Implicit()), alpha).theta
                if criterion == "hyvarinen":
                    s, divergence = family.score(phi, rows[test]), family.divergence(phi, rows[test])
                    values[test] = -0.5 * (s * s).sum(axis=1) - divergence
                else:
                    nodes = chosen_nodes(family, phi, seed=0)
                    values[test] = ConditionalDensity(family, phi, nodes).log_density(rows[test])
            expected.append(np.average(values, weights=weight))
    chosen, scores = select(rows, weight, fold, landmarks, 1, candidates, criterion)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    best = np.argmax(expected)
    assert chosen == ([0.7, 0.7, 2.0, 2.0][best], 1.0, [1e-3, 1e-1, 1e-3, 1e-1][best])
