"""Orders of any conditionals: total mass, what must not matter, and draws."""

from itertools import permutations, product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import log_softmax

from skscore.models.discrete import orders
from skscore.models.discrete.orders import OrderMixture, draw_orders, level_blocks
from skscore.models.discrete.tree import fit_tree

SIZES = [(), (3,), (3, 2), (2, 1, 4), (2, 3, 2, 2, 2)]


def arbitrary(n_levels, seed=3):
    """Conditionals that belong to no density: a random function of what is given."""
    rng = np.random.default_rng(seed)
    q, total = len(n_levels), sum(n_levels)
    inner, outer = rng.standard_normal((total + q, 20)), 2.0 * rng.standard_normal((20, total))
    blocks = level_blocks(n_levels)

    def log_conditionals(codes, given, columns=None):
        out = np.empty((len(codes), total))
        for j, block in enumerate(blocks):
            seen = given & (np.arange(q) != j)
            ones = [(codes[:, [i]] == np.arange(k)) & seen[:, [i]] for i, k in enumerate(n_levels)]
            logits = np.tanh(np.concatenate([*ones, seen], axis=1) @ inner) @ outer
            out[:, block] = log_softmax(logits[:, block], axis=1)
        return out if columns is None else np.concatenate([out[:, blocks[j]] for j in columns], axis=1)

    return SimpleNamespace(n_levels=n_levels, log_conditionals=log_conditionals)


def whole(density, rows):
    return density.log_prob(rows, np.ones(rows.shape, dtype=bool), np.zeros(rows.shape, dtype=bool))


@pytest.mark.parametrize("n_levels", SIZES, ids=str)
def test_every_order_and_their_mixture_have_mass_one(n_levels, all_rows):
    conditionals, rows, mixed = arbitrary(n_levels), all_rows(n_levels), draw_orders(len(n_levels))
    masses = [np.exp(whole(OrderMixture(conditionals, r), rows)).sum() for r in [mixed, *mixed[:, None]]]
    np.testing.assert_allclose(masses, 1, atol=1e-10)
    each = [np.exp(whole(OrderMixture(conditionals, order), rows)) for order in mixed[:, None]]
    np.testing.assert_allclose(np.exp(whole(OrderMixture(conditionals, mixed), rows)), np.mean(each, axis=0))


@pytest.mark.parametrize("mask", list(product([False, True], repeat=4)), ids=str)
def test_conditionals_of_any_cells_have_mass_one(mask, all_rows):
    n_levels, given = (2, 3, 2, 2), np.array(mask)
    density, rows = OrderMixture(arbitrary(n_levels), draw_orders(4)), all_rows(n_levels)
    log_p = density.log_prob(rows, np.broadcast_to(~given, rows.shape), np.broadcast_to(given, rows.shape))
    masses = np.zeros([k if g else 1 for k, g in zip(n_levels, given, strict=True)])
    np.add.at(masses, tuple(np.where(given, rows, 0).T), np.exp(log_p))
    np.testing.assert_allclose(masses, 1, atol=1e-10)


def test_a_part_of_the_cells_is_taken_in_the_restricted_orders(all_rows):
    n_levels = (2, 3, 2, 2)
    conditionals, rows = arbitrary(n_levels), all_rows(n_levels)
    target, given, cell = np.zeros((3, *rows.shape), dtype=bool)
    target[:, [0, 2]] = given[:, 1] = True
    hidden = np.where(target | given, rows, -1)
    products = []
    for j, other in [(0, 2), (2, 0)]:
        first, then = (conditionals.log_conditionals(rows, g) for g in (given, given | (np.arange(4) == j)))
        pick = [level_blocks(n_levels)[c].start + rows[:, c] for c in (j, other)]
        at = np.arange(len(rows))
        products.append(np.exp(first[at, pick[0]] + then[at, pick[1]]))
    mixed = draw_orders(4)
    share = np.mean([list(order).index(0) < list(order).index(2) for order in mixed])
    expected = share * products[0] + (1 - share) * products[1]
    np.testing.assert_allclose(np.exp(OrderMixture(conditionals, mixed).log_prob(hidden, target, given)), expected)
    cell[:, 3] = True
    one = np.exp(OrderMixture(conditionals, mixed).log_prob(rows, cell, given))
    picked = level_blocks(n_levels)[3].start + rows[:, 3]
    np.testing.assert_allclose(one, np.exp(conditionals.log_conditionals(rows, given))[at, picked])


def test_masks_may_differ_from_row_to_row(rng, all_rows, monkeypatch):
    n_levels = (2, 3, 2, 2, 2)
    density, rows = OrderMixture(arbitrary(n_levels), draw_orders(5)), all_rows(n_levels)
    use = rng.integers(0, 3, rows.shape)
    target, given = use == 0, use == 1
    each = [density.log_prob(r[None], t[None], g[None])[0] for r, t, g in zip(rows, target, given, strict=True)]
    np.testing.assert_allclose(density.log_prob(rows, target, given), each, rtol=1e-12, atol=1e-14)
    monkeypatch.setattr(orders, "BLOCK", 7)
    np.testing.assert_allclose(density.log_prob(rows, target, given), each, rtol=1e-12, atol=1e-14)


def test_conditionals_of_a_density_give_it_back(dependent_rows, rng):
    n_levels = (3, 2, 4, 2, 3)
    codes = dependent_rows(rng, n_levels, 60)
    tree = fit_tree(codes, n_levels)
    use = rng.integers(0, 3, codes.shape)
    found = OrderMixture(tree, draw_orders(5)).log_prob(codes, use == 0, use == 1)
    np.testing.assert_allclose(found, tree.log_prob(codes, use == 0, use == 1), atol=1e-12)


def test_draws_have_the_conditional_law(all_rows, rng, monkeypatch):
    monkeypatch.setattr(orders, "BLOCK", 15_000)
    n_levels, n = (2, 3, 2, 2), 40_000
    density, rows = OrderMixture(arbitrary(n_levels), draw_orders(4)), all_rows(n_levels)
    given, known = np.tile([False, True, False, False], (n, 1)), np.tile([-1, 2, -1, -1], (n, 1))
    drawn = density.sample(known, given, rng)
    assert (drawn[:, 1] == 2).all()
    assert (known[:, 0] == -1).all()
    p = np.exp(density.log_prob(rows, ~given[: len(rows)], given[: len(rows)])) * (rows[:, 1] == 2)
    frequency = (drawn[:, None] == rows).all(axis=2).mean(axis=0)
    assert (abs(frequency - p) <= 4.5 * np.sqrt(p * (1 - p) / n)).all()


def test_few_columns_have_all_orders_and_others_eight():
    assert {tuple(order) for order in draw_orders(3)} == set(permutations(range(3)))
    some = draw_orders(6)
    assert some.shape == (8, 6)
    np.testing.assert_array_equal(np.sort(some, axis=1), np.tile(np.arange(6), (8, 1)))
    np.testing.assert_array_equal(some, draw_orders(6))
    assert (some != draw_orders(6, seed=1)).any()
