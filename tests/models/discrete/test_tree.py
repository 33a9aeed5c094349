"""The tree of discrete columns against sums over all rows, and what must not move it."""

import ast
import os
import pickle
import subprocess
import sys
import time
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp

from skscore.models.discrete.tree import fit_tree

SIZES = [(), (4,), (1,), (3, 2), (2, 1, 3), (3, 2, 4, 2, 3), (2,) * 6]


def whole(tree, rows):
    return tree.log_prob(rows, np.ones(rows.shape, dtype=bool), np.zeros(rows.shape, dtype=bool))


@pytest.fixture(params=SIZES, ids=str)
def case(request, dependent_rows, all_rows):
    """A tree, every row, and their log-probabilities."""
    tree = fit_tree(dependent_rows(np.random.default_rng(5), request.param, 60), request.param)
    rows = all_rows(request.param)
    return tree, rows, whole(tree, rows)


def masks(q):
    return np.array(list(product([False, True], repeat=q)), dtype=bool).reshape(2**q, q)


def test_total_mass_is_one(case):
    assert abs(np.exp(case[2]).sum() - 1) < 1e-10


def test_marginals_are_sums_over_the_other_cells(case, enumerated):
    tree, rows, log_p = case
    for mask in masks(rows.shape[1]):
        seen, none = np.broadcast_to(mask, rows.shape), np.zeros(rows.shape, dtype=bool)
        hidden = np.where(mask, rows, -1)
        np.testing.assert_allclose(tree.log_prob(hidden, seen, none), enumerated(rows, log_p, mask), atol=1e-10)


def test_conditionals_are_sums_over_the_other_cells(case, enumerated):
    tree, rows, log_p = case
    q = rows.shape[1]
    for mask in masks(q):
        blocks = tree.log_conditionals(np.where(mask, rows, -1), np.broadcast_to(mask, rows.shape))
        for j, block in enumerate(np.split(blocks, np.cumsum(tree.n_levels)[:-1], axis=1) if q else []):
            others, both = mask & (np.arange(q) != j), mask | (np.arange(q) == j)
            expected = enumerated(rows, log_p, both) - enumerated(rows, log_p, others)
            np.testing.assert_allclose(block[np.arange(len(rows)), rows[:, j]], expected, atol=1e-10)
            np.testing.assert_allclose(logsumexp(block, axis=1), 0, atol=1e-12)


def test_some_columns_are_blocks_of_all(case, rng):
    tree, rows, _ = case
    given = rng.random(rows.shape) < 0.5
    blocks = np.split(tree.log_conditionals(rows, given), np.cumsum(tree.n_levels, dtype=int), axis=1)
    for columns in ([], list(rng.permutation(rows.shape[1])[:2])):
        expected = np.concatenate([np.empty((len(rows), 0)), *(blocks[j] for j in columns)], axis=1)
        np.testing.assert_array_equal(tree.log_conditionals(rows, given, columns), expected)


def test_masks_may_differ_from_row_to_row(case, rng):
    tree, rows, _ = case
    given = rng.random(rows.shape) < 0.5
    each = [tree.log_prob(r[None], ~g[None], g[None])[0] for r, g in zip(rows, given, strict=True)]
    np.testing.assert_array_equal(tree.log_prob(rows, ~given, given), each)
    each = [tree.log_conditionals(r[None], g[None])[0] for r, g in zip(rows, given, strict=True)]
    np.testing.assert_array_equal(tree.log_conditionals(rows, given), each)


def test_the_chain_rule_holds_in_any_order(case, rng):
    tree, rows, log_p = case
    total, given = np.zeros(len(rows)), np.zeros(rows.shape, dtype=bool)
    for j in rng.permutation(rows.shape[1]):
        target = np.zeros(rows.shape, dtype=bool)
        target[:, j] = True
        total += tree.log_prob(rows, target, given)
        given[:, j] = True
    np.testing.assert_allclose(total, log_p, atol=1e-10)


def test_draws_have_the_conditional_law(dependent_rows, all_rows, rng):
    n_levels, n = (3, 2, 4, 2), 40_000
    tree, rows = fit_tree(dependent_rows(rng, n_levels, 60), n_levels), all_rows(n_levels)
    given = np.tile([False, True, False, False], (n, 1))
    known = np.tile([-1, 1, -1, -1], (n, 1))
    drawn = tree.sample(known, given, rng)
    assert (drawn[:, 1] == 1).all()
    assert (known[:, 0] == -1).all()
    p = np.exp(tree.log_prob(rows, ~given[: len(rows)], given[: len(rows)])) * (rows[:, 1] == 1)
    frequency = (drawn[:, None] == rows).all(axis=2).mean(axis=0)
    assert abs(p.sum() - 1) < 1e-10
    assert (abs(frequency - p) <= 4.5 * np.sqrt(p * (1 - p) / n)).all()


def test_a_draw_does_not_depend_on_the_row_before(dependent_rows, all_rows):
    n_levels = (3, 2, 4, 2, 3)
    tree = fit_tree(dependent_rows(np.random.default_rng(5), n_levels, 60), n_levels)
    rng = np.random.default_rng(6)
    rows, given = np.repeat(all_rows(n_levels)[::7], 3, axis=0), np.repeat(rng.random((21, 5)) < 0.5, 3, axis=0)
    uniform, order = rng.random(rows.shape), rng.permutation(len(rows))
    drawn, apart = (
        tree.sample(rows[places], given[places], SimpleNamespace(random=lambda _, u=uniform[places]: u))
        for places in (np.arange(len(rows)), order)
    )
    np.testing.assert_array_equal(drawn[order], apart)


def test_weights_are_repetition(dependent_rows, all_rows, rng):
    n_levels = (3, 2, 4)
    codes, weight = dependent_rows(rng, n_levels, 40), rng.integers(0, 4, 40)
    rows, repeated = all_rows(n_levels), fit_tree(np.repeat(codes, weight, axis=0), n_levels)
    np.testing.assert_array_equal(whole(fit_tree(codes, n_levels, weight), rows), whole(repeated, rows))
    assert (whole(fit_tree(codes, n_levels), rows) != whole(repeated, rows)).any()


def test_names_of_levels_do_not_matter(dependent_rows, rng):
    n_levels = (3, 2, 4, 5)
    codes = dependent_rows(rng, n_levels, 80)
    names = [rng.permutation(k) for k in n_levels]
    renamed = np.column_stack([name[column] for name, column in zip(names, codes.T, strict=True)])
    expected = whole(fit_tree(codes, n_levels), codes)
    np.testing.assert_allclose(whole(fit_tree(renamed, n_levels), renamed), expected, atol=1e-12)


@pytest.mark.parametrize("n_levels", [(3, 2, 4, 5), (2,) * 7])
def test_the_order_of_columns_does_not_matter(dependent_rows, rng, n_levels):
    codes, expected = dependent_rows(rng, n_levels, 80), None
    for order in [np.arange(len(n_levels)), *(rng.permutation(len(n_levels)) for _ in range(5))]:
        permuted = codes[:, order]
        found = whole(fit_tree(permuted, tuple(np.array(n_levels)[order])), permuted)
        expected = found if expected is None else expected
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_it_is_the_likeliest_tree(rng):
    """c_0 alone joins three columns that are independent given it."""
    root = rng.integers(0, 3, 2000)
    leaves = [np.where(rng.random(2000) < 0.7, root, rng.integers(0, 3, 2000)) for _ in range(3)]
    tree = fit_tree(np.column_stack([leaves[0], root, *leaves[1:]]), (3,) * 4)
    np.testing.assert_array_equal(tree.parent, [1, 4, 1, 1])


def test_without_rows_it_is_uniform(all_rows):
    n_levels = (3, 2, 1)
    tree = fit_tree(np.empty((0, 3), dtype=np.int64), n_levels)
    np.testing.assert_allclose(whole(tree, all_rows(n_levels)), -np.log(6), atol=1e-14)


def test_a_cell_that_a_hundred_contradict_keeps_its_probability():
    """A hundred copies of one column against it: their product is far below the least number there is."""
    codes = np.tile(np.arange(400)[:, None] % 2, (1, 101)).astype(np.int64)
    tree = fit_tree(codes, (2,) * 101)
    row = np.ones((1, 101), dtype=np.int64)
    row[0, tree.order[0]] = 0
    given = np.ones((1, 101), dtype=bool)
    given[0, tree.order[0]] = False
    right, wrong = 200.25 / 200.5, 0.25 / 200.5  # conditionals of a copy
    expected = np.log(wrong / right) * (tree.parent == tree.order[0]).sum()
    assert expected < -600
    block = tree.log_conditionals(row, given)[0, 2 * tree.order[0] :][:2]
    np.testing.assert_allclose(block, [expected, 0], rtol=1e-12)


def test_a_wide_table_takes_seconds(rng):
    n_levels = (30,) * 100
    codes = (rng.integers(0, 30, (20_000, 1)) * (rng.random((20_000, 100)) < 0.5)).astype(np.int64)
    begun = time.process_time()
    tree = fit_tree(codes, n_levels)
    given = rng.random((200, 100)) < 0.5
    log_p = tree.log_prob(codes[:200], ~given, given)
    assert time.process_time() - begun < 10
    assert np.isfinite(log_p).all()


def test_it_is_pickled(case):
    tree, rows, log_p = case
    np.testing.assert_array_equal(whole(pickle.loads(pickle.dumps(tree)), rows), log_p)


ROUTES = """
import numpy as np
from skscore.models.discrete.tree import fit_tree

rng = np.random.default_rng(1)
n_levels = (3, 2, 4, 2)
codes = np.column_stack([rng.integers(0, k, 30) for k in n_levels])
tree, given = fit_tree(codes, n_levels), rng.random(codes.shape) < 0.5
found = [
    tree.log_prob(codes, ~given, given).tolist(),
    tree.log_conditionals(codes, given).tolist(),
    tree.sample(codes, given, np.random.default_rng(2)).tolist(),
]
"""


def test_the_same_without_the_compiler():
    compiled = {}
    exec(ROUTES, compiled)
    command, environment = [sys.executable, "-c", f"{ROUTES}print(found)"], {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    for plain, fast in zip(ast.literal_eval(printed), compiled["found"], strict=True):
        np.testing.assert_allclose(plain, fast, rtol=1e-12, atol=1e-13)
