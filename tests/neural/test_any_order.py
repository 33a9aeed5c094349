"""Conditionals of a network that corrects a tree: where they begin, what they learn, and what must not move them."""

import pickle
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.models.discrete.orders import OrderMixture, draw_orders  # noqa: E402
from skscore.models.discrete.tree import fit_tree  # noqa: E402
from skscore.neural import any_order, masked_cells  # noqa: E402
from skscore.neural.any_order import AnyOrderNetwork, fit_any_order  # noqa: E402
from skscore.neural.masked_cells import Blocks, LevelTable, best_exponent, draw_masks  # noqa: E402
from skscore.neural.stacks import weights_of  # noqa: E402
from skscore.neural.training_config import TrainingConfig  # noqa: E402

LEVELS = (2, 3, 1, 2)
FEW_STEPS = TrainingConfig(batch_size=256, max_iter=100, learning_rate=1e-2, averaging=0.95)


def every_row(n_levels=LEVELS):
    return np.array(list(product(*map(range, n_levels))))


def whole(conditionals, rows, orders=None):
    density = OrderMixture(conditionals, draw_orders(rows.shape[1]) if orders is None else orders)
    return density.log_prob(rows, np.ones(rows.shape, dtype=bool), np.zeros(rows.shape, dtype=bool))


def random_network(n_networks=2, exponent=0.7):
    """A tree and networks with weights drawn at random, last layers too."""
    rng = np.random.default_rng(2)
    codes = np.column_stack([rng.integers(0, k, 50) for k in LEVELS])
    stack = any_order._stack(LEVELS, (16, 16), 0.0, n_networks).initialise(torch.Generator())
    theta = torch.from_numpy(0.5 * rng.standard_normal((n_networks, sum(p[0].numel() for p in stack.parameters()))))
    tree = fit_tree(codes, LEVELS)
    return AnyOrderNetwork(tree, weights_of(stack, theta.float()), exponent, (tree,) * n_networks, (16, 16))


def fitted(codes, n_levels, folds, weight=None, **settings):
    """The network of rows beside their trees."""
    rest = [np.setdiff1d(np.arange(len(codes)), fold) for fold in folds]
    parts = [fit_tree(codes[rows], n_levels, None if weight is None else weight[rows]) for rows in rest]
    return fit_any_order(fit_tree(codes, n_levels, weight), parts, codes, folds, weight, **settings)


@pytest.fixture(scope="module")
def parity():
    """Three fair coins of which the third says whether the first two differ, nine times in ten; and their network."""
    rng = np.random.default_rng(11)
    first, second = rng.integers(0, 2, (2, 1500))
    codes = np.column_stack([first, second, (first ^ second) ^ (rng.random(1500) < 0.1)])
    config = replace(FEW_STEPS, max_iter=200)
    folds = np.array_split(np.random.default_rng(12).permutation(1500), 2)
    return codes, fitted(codes, (2, 2, 2), folds, config=config, hidden_layer_sizes=(32, 32))


# Of single precision: BLAS has processors on which the last digit of a row goes by its place in a product.
ROUNDING = 1e-7


def test_every_order_and_their_mixture_have_mass_one():
    network, rows = random_network(), every_row()
    for orders in (None, *(np.array([order]) for order in permutations(range(4)))):
        assert abs(np.exp(whole(network, rows, orders)).sum() - 1) < ROUNDING


def test_without_the_network_they_are_the_trees():
    network, rows = random_network(exponent=0.0), every_row()
    given = np.random.default_rng(3).random(rows.shape) < 0.5
    expected = network.tree.log_conditionals(rows, given)
    np.testing.assert_array_equal(network.log_conditionals(rows, given), expected)
    assert abs(replace(network, exponent=0.7).log_conditionals(rows, given) - expected).max() > 0.1
    still = [{name: 0.0 * array for name, array in one.items()} for one in network.weights]
    found = replace(network, exponent=0.7, weights=still).log_conditionals(rows, given)
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("n", [1, 7, 300])
def test_a_row_depends_on_no_other(n):
    network = random_network()
    rows = np.resize(every_row(), (300, 4))
    given = np.random.default_rng(3).random(rows.shape) < 0.5
    many = network.log_conditionals(rows, given)
    np.testing.assert_allclose(network.log_conditionals(rows[-n:], given[-n:]), many[-n:], atol=10 * ROUNDING)


def test_some_columns_are_blocks_of_all():
    network, rows = random_network(), every_row()
    given = np.random.default_rng(3).random(rows.shape) < 0.5
    blocks = np.split(network.log_conditionals(rows, given), np.cumsum(LEVELS), axis=1)
    found = network.log_conditionals(rows, given, [3, 1])
    np.testing.assert_array_equal(found, np.concatenate([blocks[3], blocks[1]], axis=1))
    assert network.log_conditionals(rows, given, []).shape == (len(rows), 0)


def test_cells_that_are_not_given_are_not_read():
    network, rows = random_network(), every_row()
    given = np.random.default_rng(3).random(rows.shape) < 0.5
    expected = network.log_conditionals(rows, given)
    np.testing.assert_array_equal(network.log_conditionals(np.where(given, rows, -1), given), expected)


def test_a_part_is_one_network_and_its_tree():
    network, rows = random_network(), every_row()
    given = np.random.default_rng(3).random(rows.shape) < 0.5
    unnormalised = [network.part(k)._output(rows, given, np.arange(4)) for k in (0, 1)]
    np.testing.assert_allclose(network._output(rows, given, np.arange(4)), np.mean(unnormalised, axis=0), atol=1e-6)
    assert abs(unnormalised[0] - unnormalised[1]).max() > 0.1


def test_it_learns_what_no_tree_can(parity):
    _, network = parity
    first, second, third = every_row((2, 2, 2)).T
    truth = np.where((first ^ second) == third, 0.9, 0.1) / 4
    log_p = whole(network, every_row((2, 2, 2)))
    assert abs((truth * (np.log(truth) - log_p)).sum()) < 0.02
    assert (truth * (np.log(truth) - whole(network.tree, every_row((2, 2, 2))))).sum() > 0.3


def test_parts_have_not_seen_their_fold(parity):
    codes, network = parity
    folds = np.array_split(np.random.default_rng(12).permutation(1500), 2)
    for k, fold in enumerate(folds):
        part, kept = network.part(k), np.setdiff1d(np.arange(1500), fold)
        expected = fit_tree(codes[kept], (2, 2, 2)).tables
        np.testing.assert_array_equal(part.tree.tables, expected)
    np.testing.assert_array_equal(network.tree.tables, fit_tree(codes, (2, 2, 2)).tables)


def parity_beside_noise(n):
    """Rows whose last cell is the parity of the first two."""
    rng = np.random.default_rng(4)
    codes = np.column_stack([rng.integers(0, k, n) for k in LEVELS])
    codes[:, 3] = (codes[:, 0] + codes[:, 1]) % 2
    return codes


def test_the_rows_of_a_fold_do_not_move_its_network():
    """The same rows of the fold in another order: other validation losses, and the same network."""
    codes, config = parity_beside_noise(300), replace(FEW_STEPS, check_every=100)
    networks = [
        fitted(rows, LEVELS, [np.arange(60)], config=config, hidden_layer_sizes=(32, 32))
        for rows in (codes, np.concatenate([codes[59::-1], codes[60:]]))
    ]
    assert min(network.exponent for network in networks) > 0
    for name, array in networks[0].weights[0].items():
        np.testing.assert_array_equal(array, networks[1].weights[0][name])


def test_the_seed_decides_all():
    codes = parity_beside_noise(120)
    found = [
        fitted(codes, LEVELS, [np.arange(30)], seed=seed, config=FEW_STEPS, hidden_layer_sizes=(16,))
        for seed in (2, 2, 3)
    ]
    same, again, other = (whole(network, every_row()) for network in found)
    assert found[0].exponent > 0
    np.testing.assert_array_equal(same, again)
    assert (same != other).any()


def test_what_gains_nothing_ends_soon_and_leaves_the_tree():
    """Rows held out that say the opposite of the others."""
    codes, steps = parity_beside_noise(300), []
    codes[:100, 3] = 1 - codes[:100, 3]
    config = replace(FEW_STEPS, max_iter=1000)
    network = fitted(
        codes,
        LEVELS,
        [np.arange(100)],
        config=config,
        watch=lambda state: steps.append(state.step),
        hidden_layer_sizes=(16,),
    )
    assert network.exponent == 0.0
    assert steps[-1] == any_order.GIVEN_UP * 1000
    np.testing.assert_array_equal(whole(network, every_row()), whole(network.tree, every_row()))


@pytest.mark.parametrize("n_levels", [(), (3,)])
def test_few_columns_need_no_network(n_levels):
    codes = np.random.default_rng(0).integers(0, 3, (30, len(n_levels)))
    network, rows = fitted(codes, n_levels, [np.arange(5)]), codes[:4]
    np.testing.assert_allclose(whole(network, rows), whole(fit_tree(codes, n_levels), rows))
    np.testing.assert_allclose(whole(network.part(0), rows), whole(fit_tree(codes[5:], n_levels), rows))


def test_masks_of_each_size_are_as_likely():
    given = draw_masks(torch.linspace(0, 1, 40_001)[:-1], 4, torch.Generator().manual_seed(0))
    sizes, counts = np.unique(given.sum(axis=1), return_counts=True)
    np.testing.assert_array_equal(sizes, range(4))
    np.testing.assert_allclose(counts, 10_000, atol=2)
    patterns, counts = np.unique(given[given.sum(axis=1) == 2], axis=0, return_counts=True)
    assert len(patterns) == 6
    assert abs(counts - 10_000 / 6).max() < 4.5 * (10_000 * 5 / 36) ** 0.5


def test_a_cell_is_hidden_in_every_row():
    assert not draw_masks(torch.ones(50), 3, torch.Generator()).all(axis=1).any()


def test_a_training_that_explodes_leaves_the_tree():
    config = replace(FEW_STEPS, learning_rate=1e10, check_every=20, max_iter=20)
    network = fitted(parity_beside_noise(50), LEVELS, [np.arange(20)], config=config, hidden_layer_sizes=(8,))
    assert np.isfinite(whole(network, every_row())).all()
    assert network.exponent == 0.0


def test_the_loss_of_all_masks_is_the_mean_over_all_orders():
    """Every mask of a row, each size as likely, against log P of every order."""
    network, row = random_network(), np.array([[1, 2, 0, 1]])
    masks = np.array(list(product([False, True], repeat=4)))[:-1]
    sizes = masks.sum(axis=1)
    table = LevelTable(np.repeat(row, len(masks), axis=0), LEVELS, None)
    cells = masked_cells.masked_cells(table, np.arange(len(masks))[None], masks[None], [network.tree])
    share = 1 / (4 * np.bincount(sizes)[sizes])  # of each mask among those of its size, of each size among four
    cells = cells._replace(weight=cells.weight * torch.from_numpy(share * len(masks)).float()[None, :, None])
    logits = torch.from_numpy(network.log_conditionals(table.codes, masks)).float()[None]
    orders = np.array(list(permutations(range(4))))
    expected = -np.mean([whole(network, row, order[None]) for order in orders])
    assert float(Blocks(LEVELS).loss(logits, cells)) == pytest.approx(expected, rel=1e-5)


def test_weights_are_repetition_in_the_loss():
    rng = np.random.default_rng(8)
    network = random_network()
    codes = np.column_stack([rng.integers(0, k, 30) for k in LEVELS])
    weight, given = rng.integers(0, 3, 30), rng.random(codes.shape) < 0.5
    given[:, 0] = False
    repeated = np.repeat(np.arange(30), weight)
    losses = []
    for rows, masks, w in ((codes, given, weight), (codes[repeated], given[repeated], None)):
        table = LevelTable(rows, LEVELS, w)
        cells = masked_cells.masked_cells(table, np.arange(len(rows))[None], masks[None], [network.tree])
        losses.append(float(Blocks(LEVELS).loss(cells.log_tau, cells)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_exponent_is_the_best_between_zero_and_one():
    network = random_network()
    rng = np.random.default_rng(9)
    codes = np.column_stack([rng.integers(0, k, 300) for k in LEVELS])
    given = rng.random(codes.shape) < 0.5
    given[:, 0] = False
    table, blocks = LevelTable(codes, LEVELS, None), Blocks(LEVELS)
    cells = masked_cells.masked_cells(table, np.arange(300)[None], given[None], [network.tree])
    right = torch.zeros_like(cells.log_tau).scatter_(2, cells.level, 1.0)  # more for the levels that are there
    assert best_exponent(right, cells, blocks) == 1.0
    assert best_exponent(-right, cells, blocks) == 0.0
    mixed = 4.0 * torch.from_numpy(rng.standard_normal(right.shape)).float() + 2.0 * right
    a = best_exponent(mixed, cells, blocks)
    losses = [float(blocks.loss(cells.log_tau + b * mixed, cells)) for b in np.linspace(0, 1, 101)]
    assert 0.0 < a < 1.0
    assert abs(a - np.argmin(losses) / 100) < 0.011


def test_rows_that_weigh_nothing_move_nothing():
    """Neither the trees, nor a step of the training, nor the validation."""
    codes, weight = parity_beside_noise(200), np.repeat([0.0, 2.0, 1.0], [60, 70, 70])
    other = codes.copy()
    other[:60] = [0, 2, 0, 1]
    fold, found = np.arange(40, 110), []
    for rows in (codes, other):
        network = fitted(rows, LEVELS, [fold], weight, config=FEW_STEPS, hidden_layer_sizes=(16,))
        found.append(whole(network, every_row()))
    assert network.exponent > 0
    np.testing.assert_array_equal(*found)


def test_it_is_saved_and_loaded(parity):
    skops = pytest.importorskip("skops.io")
    codes, network = parity
    dumped = skops.dumps(network)
    for again in (
        pickle.loads(pickle.dumps(network)),
        skops.loads(dumped, trusted=skops.get_untrusted_types(data=dumped)),
    ):
        np.testing.assert_array_equal(whole(again, codes[:5]), whole(network, codes[:5]))
        np.testing.assert_array_equal(whole(again.part(1), codes[:5]), whole(network.part(1), codes[:5]))
    assert all(isinstance(array, np.ndarray) for one in network.weights for array in one.values())


def test_running_the_table_through_leaves_the_global_generators_alone():
    before = torch.random.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    codes = np.random.default_rng(0).integers(0, 2, (40, 3))
    fitted(codes, (2, 2, 2), [np.arange(10)], config=replace(FEW_STEPS, max_iter=5))
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
