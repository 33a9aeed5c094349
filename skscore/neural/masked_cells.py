r"""Learning the law of each cell of a row from any of the others, as a correction of that of a tree.

.. math:: P(c_j = k \mid c_S) = \mathrm{softmax}_k\bigl(\log\tau_j(k \mid c_S) + a\, F_j(c_S, S)_k\bigr)

with τ the tree's conditionals and F the network of ``networks`` at the noise label 0, which sees the levels of the
given cells one-hot, zeros for all others, and which are given. Each row of a batch hides some cells: as many are given
as a number s uniform on 0, …, q − 1 says, each set of so many is as likely, and

.. math:: E_{s, S}\Bigl[\frac q{q-s} \sum_{j \notin S} -\log P(c_j \mid c_S)\Bigr] = E_\pi[-\log P_\pi(c)],

the mean over all orders π of what the density that takes cells in this order loses on the row (Hoogeboom et al.,
2022). It is also the score entropy of a diffusion that hides more and more cells (Ou et al., 2025).

References
----------
Hoogeboom, E., Gritsenko, A. A., Bastings, J., Poole, B., van den Berg, R., & Salimans, T. (2022). Autoregressive
diffusion models. ICLR.
Ou, J., Nie, S., Xue, K., Zhu, F., Sun, J., Li, Z., & Li, C. (2025). Your absorbing discrete diffusion secretly models
the conditional distributions of clean data. ICLR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import csr_array

from ._torch import torch
from .layers import product
from .learner import Learner

__all__ = ["CellLearner", "HeldOutCells", "LevelTable", "best_exponent", "cell_inputs", "draw_masks", "no_label"]

VALIDATION_DRAWS = 4096  # masked rows of all folds, as long as no row has more than its most masks
MAX_MASKS = 16
PIECE = 1024  # rows of all networks together that pass at a time where no gradient is asked
TOLERANCE = 1e-3  # of a


class LevelTable(NamedTuple):
    """Rows of levels, and their weights.

    Attributes
    ----------
    codes : ndarray of int64, shape (n, q)
    n_levels : tuple of q int
    weight : ndarray of shape (n,) or None
    """

    codes: np.ndarray
    n_levels: tuple[int, ...]
    weight: np.ndarray | None

    @property
    def first(self):
        """Where the levels of each column begin among those of all."""
        return np.cumsum([0, *self.n_levels])[:-1]


class MaskedCells(NamedTuple):
    """Masked rows as m networks meet them."""

    inputs: torch.Tensor  # (m, n, ΣK + q)
    log_tau: torch.Tensor  # the tree's conditionals, (m, n, ΣK)
    level: torch.Tensor  # place of each cell's level among those of all columns, (m, n, q)
    weight: torch.Tensor  # that makes the sum over cells and rows a mean in nats, (m, n, q)


def no_label(n_networks):
    """The noise label of rows without noise, one for all."""
    return torch.zeros(n_networks, 1, 1)


def cell_inputs(codes, given, n_levels):
    """What a network sees of rows (n, q): one-hot levels of given cells, and which are given, sparse (n, ΣK + q)."""
    total, first = sum(n_levels), np.cumsum([0, *n_levels])
    rows, columns = np.nonzero(given)
    entries = np.column_stack([first[columns] + codes[rows, columns], total + columns]).ravel()
    ends = np.concatenate([[0], 2 * given.sum(axis=1).cumsum()])
    return csr_array((np.ones(len(entries), np.float32), entries, ends), shape=(len(codes), total + len(n_levels)))


def draw_masks(u, q, generator):
    """Which cells are given in rows of uniforms u (n,): ⌊qu⌋ of q, each set of so many as likely, (n, q).

    At least one is not, even if u is rounded to one.
    """
    rank = torch.rand(len(u), q, generator=generator).argsort(dim=1).argsort(dim=1)
    return (rank < (q * u).long().clamp(max=q - 1)[:, None]).numpy()


def masked_cells(table, index, given, trees):
    """Rows `index` (m, n) of a table under masks (m, n, q), for m networks that correct a tree each."""
    codes, q = table.codes[index], len(table.n_levels)
    weight = q / (~given).sum(axis=2, keepdims=True) * ~given / index.shape[1]
    if table.weight is not None:
        weight = weight * (table.weight[index] / table.weight.mean())[:, :, None]
    inputs = [cell_inputs(*rows, table.n_levels).toarray() for rows in zip(codes, given, strict=True)]
    log_tau = [tree.log_conditionals(*rows) for tree, *rows in zip(trees, codes, given, strict=True)]
    return MaskedCells(
        torch.from_numpy(np.stack(inputs)),
        torch.from_numpy(np.stack(log_tau)).float(),
        torch.from_numpy(table.first + codes),
        torch.from_numpy(weight).float(),
    )


class Blocks:
    """Sums over the levels of each column.

    Parameters
    ----------
    n_levels : tuple of q int
    """

    def __init__(self, n_levels):
        self.members = torch.from_numpy(np.repeat(np.eye(len(n_levels), dtype=np.float32), n_levels, axis=0))[None]

    def sums(self, values):
        """Of values (m, n, ΣK), shape (m, n, q)."""
        return product(values, self.members)

    def loss(self, logits, cells):
        """Weighted −log P of the levels of masked cells, summed."""
        return (cells.weight * (self.sums(logits.exp()).log() - logits.gather(2, cells.level))).sum()

    def slope(self, a, output, cells):
        """Derivative of the loss along the exponent a of the networks' output."""
        p = (cells.log_tau + a * output).exp()
        mean = self.sums(p * output) / self.sums(p)
        return float((cells.weight * (mean - output.gather(2, cells.level))).sum(dtype=torch.float64))


class CellLearner(Learner):
    """Networks of one stack that learn the law of masked cells.

    Parameters
    ----------
    network : ResidualMLP
        A stack of m networks.
    table : LevelTable
    trees : list of Tree
        That each of the m networks corrects.
    kept : list of tensor of int64
        Indices of the rows that each of the m networks learns from.
    config : TrainingConfig
    generator : torch.Generator
    """

    def __init__(self, network, table, trees, kept, config, generator):
        super().__init__(network, kept, config, generator)
        self.table, self.trees, self.blocks = table, trees, Blocks(table.n_levels)

    def losses(self):
        """−log P of the next rows over the orders of their cells, and the nats that it loses to the trees."""
        number, q = self.config.batch_size, len(self.table.n_levels)
        index = self.next_rows(number)
        u = (torch.arange(number) + torch.rand(index.shape, generator=self.generator)) / number
        given = draw_masks(u.flatten(), q, self.generator).reshape(*index.shape, q)
        cells = masked_cells(self.table, index.numpy(), given, self.trees)
        loss = self.blocks.loss(cells.log_tau + self._output(cells.inputs), cells)
        return loss, (loss.detach() - self.blocks.loss(cells.log_tau, cells)) / len(self.kept)

    def averaged(self, cells):
        """Output of the networks with averaged weights, (m, n, ΣK)."""
        piece = max(1, PIECE // len(self.kept))
        with self.averaged_weights():
            return torch.cat([self._output(inputs) for inputs in cells.inputs.split(piece, 1)], dim=1)

    def _output(self, inputs):
        return self.network(inputs, no_label(len(inputs)))


@dataclass(frozen=True, eq=False)
class HeldOutCells:
    """Masked rows of each fold, which validate the network that has not seen them.

    Parameters
    ----------
    cells : MaskedCells
    blocks : Blocks
    """

    cells: MaskedCells
    blocks: Blocks

    @classmethod
    def of(cls, table, trees, folds, generator):
        """Each row of the folds (at most so many of all) under masks drawn once, their sizes stratified.

        Folds of fewer rows than the largest repeat some, which weigh nothing.
        """
        q, most = len(table.n_levels), max(1, VALIDATION_DRAWS // len(folds))
        chosen = [fold[torch.randperm(len(fold), generator=generator).numpy()[:most]] for fold in folds]
        n = max(map(len, chosen))
        repeats = min(MAX_MASKS, max(1, most // n))
        counted = np.stack([np.arange(n) < len(rows) for rows in chosen]).repeat(repeats, axis=1)
        index = np.stack([np.resize(rows, n) for rows in chosen]).repeat(repeats, axis=1)
        u = (torch.rand(index.size, generator=generator) + torch.arange(index.size) % repeats) / repeats
        cells = masked_cells(table, index, draw_masks(u, q, generator).reshape(*index.shape, q), trees)
        weight = cells.weight * torch.from_numpy(counted)[:, :, None] * (counted.size / len(folds) / counted.sum())
        return cls(cells._replace(weight=weight), Blocks(table.n_levels))

    def __call__(self, learners):
        """Best exponent, and the mean loss at it relative to the trees."""
        (learner,) = learners
        output = learner.averaged(self.cells)
        a = best_exponent(output, self.cells, self.blocks)
        loss = self.blocks.loss(self.cells.log_tau + a * output, self.cells)
        return a, float(loss - self.blocks.loss(self.cells.log_tau, self.cells))


def best_exponent(output, cells, blocks):
    """The a in [0, 1] of least loss, which is convex in a; an end if the output of an exploded network is no number."""
    if not blocks.slope(0.0, output, cells) < 0.0:
        return 0.0
    if not blocks.slope(1.0, output, cells) > 0.0:
        return 1.0
    return brentq(blocks.slope, 0.0, 1.0, args=(output, cells), xtol=TOLERANCE)
