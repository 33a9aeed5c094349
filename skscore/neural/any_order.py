r"""Any-order conditionals of levels: those of a tree, corrected by a network, see ``masked_cells``.

Without the network (a = 0) they are the tree's. A network for each fold of the rows has not seen it, and corrects a
tree that has not; the density of all rows is the tree of all rows, corrected by the mean of the networks' outputs.
Networks compute in single precision, in blocks of as many rows always, the last one padded: so a row's value depends
neither on its neighbours nor on their number. The softmax has double precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from ..models.discrete.orders import level_blocks
from ..models.discrete.tree import Tree
from ._torch import torch
from .devices import threads_for
from .layers import product
from .masked_cells import CellLearner, HeldOutCells, LevelTable, cell_inputs, no_label
from .networks import ResidualMLP
from .one_level import OneLevel
from .stacks import load_weights
from .training import TrainingState
from .training_config import Best, TrainingConfig

__all__ = ["AnyOrderNetwork", "fit_any_order"]

LOADED: WeakKeyDictionary = WeakKeyDictionary()  # networks at work, as long as their record lives
ROWS, FEWEST_ROWS = 256, 8  # of one block, of all networks together
HIDDEN, DROPOUT = (96, 96), 0.1
CONFIG = TrainingConfig(learning_rate=2e-3, batch_size=256, max_iter=2000, averaging=0.99)
GIVEN_UP = 0.2  # share of all steps after which a training that has not beaten the trees ends
TREE = Best(0.0, 0, None, 0.0)  # a training begins with the trees


@dataclass(frozen=True, eq=False)
class AnyOrderNetwork:
    """Conditionals of single cells given any others, to be mixed over orders by an ``OrderMixture``.

    Parameters
    ----------
    tree : Tree
    weights : list of dict of ndarray
        Trained weights of each network, by name.
    exponent : float
        a.
    parts : tuple of Tree
        Trees that have not seen the fold of each network.
    hidden_layer_sizes : tuple of int
    """

    tree: Tree
    weights: list
    exponent: float
    parts: tuple = ()
    hidden_layer_sizes: tuple[int, ...] = HIDDEN

    @property
    def n_levels(self):
        """K_j of each column."""
        return self.tree.n_levels

    def part(self, index):
        """What has not seen the fold of this index."""
        return replace(self, tree=self.parts[index], weights=self.weights[index : index + 1], parts=())

    def log_conditionals(self, codes, given, columns=None):
        """log P(c_j = k | c_S), a block of K_j entries for each of the `columns` that is not in S, by default all."""
        log_tau = self.tree.log_conditionals(codes, given, columns)
        if self.exponent == 0.0 or log_tau.size == 0:
            return log_tau
        columns = np.arange(len(self.n_levels)) if columns is None else np.asarray(columns)
        logits = log_tau + self.exponent * self._output(codes, given, columns)
        return _normalised(logits, np.array(self.n_levels)[columns])

    @property
    def _loaded(self):
        """The trained networks, and the weights of their first layers side by side."""
        return LOADED.get(self) or LOADED.setdefault(self, self._load())

    @torch.inference_mode(False)
    def _load(self):
        stack = _stack(self.n_levels, self.hidden_layer_sizes, 0.0, len(self.weights))
        load_weights([stack], self.weights)
        first_layers = np.concatenate([one["weights.0"] for one in self.weights], axis=1)
        return OneLevel(stack.requires_grad_(False).eval(), no_label(len(self.weights))), first_layers

    @torch.inference_mode(False)
    @torch.no_grad()
    def _output(self, codes, given, columns):
        """Mean of the networks' outputs for the levels of these columns, shape (n, ΣK)."""
        (stack, first_layers), n = self._loaded, len(codes)
        rows = max(FEWEST_ROWS, ROWS // len(self.weights))
        padded = np.zeros((-(-n // rows) * rows, first_layers.shape[1]), dtype=np.float32)
        padded[:n] = cell_inputs(codes, given, self.n_levels) @ first_layers
        levels = level_blocks(self.n_levels)
        with threads_for(rows * sum(value.size for one in self.weights for value in one.values())):
            parts = [
                _passed(stack, block, [levels[j] for j in columns]) for block in torch.from_numpy(padded).split(rows)
            ]
        return np.concatenate(parts)[:n]


def _passed(stack, first, levels):
    """Mean over the networks of their outputs for a block, from the products of their first layers.

    Each column has a product of its own, so that its values do not depend on which others are asked for.
    """
    network = stack.network
    h = stack.last_hidden(first.unflatten(1, (network.n_networks, -1)).transpose(0, 1).contiguous())
    outputs = [product(h, network.out[:, :, block]) + network.out_bias[:, :, block] for block in levels]
    return torch.cat(outputs, dim=2).double().mean(dim=0).numpy()


def _normalised(logits, n_levels):
    """log softmax of each column's block (n, ΣK)."""
    first = np.cumsum([0, *n_levels])[:-1]
    logits = logits - np.repeat(np.maximum.reduceat(logits, first, axis=1), n_levels, axis=1)
    return logits - np.repeat(np.log(np.add.reduceat(np.exp(logits), first, axis=1)), n_levels, axis=1)


# ---- fit -----------------------------------------------------------------------------------------


def _stack(n_levels, hidden_layer_sizes, dropout, n_networks):
    total = sum(n_levels)
    return ResidualMLP(total + len(n_levels), total, hidden_layer_sizes, dropout=dropout, n_networks=n_networks)


@torch.inference_mode(False)
@torch.enable_grad()
def fit_any_order(
    tree,
    parts,
    codes,
    folds,
    weight=None,
    seed=0,
    *,
    config=CONFIG,
    hidden_layer_sizes=HIDDEN,
    dropout=DROPOUT,
    watch=None,
):
    """Train a network for each fold of the rows, which corrects the tree of the others.

    Parameters
    ----------
    tree : Tree
        Of all rows.
    parts : list of Tree
        Of the rows that are not in each fold.
    codes : ndarray of int64, shape (n, q)
        Level of each cell, 0 to K_j − 1.
    folds : list of ndarray of int
        Indices of the rows that are held out from each network, and validate it.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    seed : int
    config : TrainingConfig
    hidden_layer_sizes : tuple of int
    dropout : float
    watch : callable, optional
        Called with the ``TrainingState`` after each validation; ends the training by returning True.

    Returns
    -------
    AnyOrderNetwork

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.discrete.orders import OrderMixture, draw_orders
    >>> from skscore.models.discrete.tree import fit_tree
    >>> from skscore.neural.any_order import fit_any_order
    >>> from skscore.neural.training_config import TrainingConfig
    >>> codes = np.random.default_rng(0).integers(0, 2, (100, 4))
    >>> few_steps = TrainingConfig(batch_size=32, max_iter=50)
    >>> trees = [fit_tree(rows, (2, 2, 2, 2)) for rows in (codes, codes[20:])]
    >>> network = fit_any_order(trees[0], trees[1:], codes, [np.arange(20)], config=few_steps)
    >>> OrderMixture(network, draw_orders(4)).sample(codes[:1], codes[:1] < 2, np.random.default_rng(1)) == codes[:1]
    array([[ True,  True,  True,  True]])
    """
    start = AnyOrderNetwork(tree, [], 0.0, tuple(parts), tuple(hidden_layer_sizes))
    if len(tree.n_levels) < 2:
        return start
    seen = [np.setdiff1d(np.arange(len(codes)), fold) for fold in folds]
    table, generator = LevelTable(codes, start.n_levels, weight), torch.Generator().manual_seed(seed)
    stack = _stack(start.n_levels, hidden_layer_sizes, dropout, len(folds)).initialise(generator)
    held_out = HeldOutCells.of(table, parts, folds, generator)
    learner = CellLearner(stack, table, parts, [torch.from_numpy(rows) for rows in seen], config, generator)
    state = TrainingState([learner], held_out, config, best=TREE)
    with threads_for(config.batch_size * learner.weights.theta.numel()):
        more = True
        while more:
            state.advance()
            more = not (watch is not None and watch(state)) and not state.ended and not _in_vain(state)
    return replace(start, weights=state.weights(), exponent=state.best.shrinkage)


def _in_vain(state):
    """Whether a training that should have beaten the trees has not."""
    return state.best.step == 0 and state.step >= GIVEN_UP * state.config.max_iter
