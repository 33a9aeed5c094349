"""Networks for the folds of a table, trained on the rows that they see and validated on those that they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ._torch import torch
from .checkpoint import train_to_the_end
from .denoiser import Denoiser
from .devices import threads_for
from .member import Member
from .noisy_rows import validation_batch
from .output_scaling import best_shrinkage
from .process_group import ALONE, ProcessGroup
from .stacks import Architecture, load_weights
from .training import TrainingState
from .training_config import TrainingConfig

__all__ = ["Ensemble"]

VALIDATION_DRAWS = 4096  # noisy rows of all validation sets, as long as each row has its least and most repeats
MIN_REPEATS, MAX_REPEATS = 4, 64
FAR_ROWS = 0.05  # fraction of the validation rows that may be left to the tail
N_PROBES, MAX_EXACT = 16, 64  # divergence probes, for tables of more columns than the latter


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Some networks for each fold of the rows, which they do not see, trained side by side.

    Parameters
    ----------
    rows : NoisyRows, or what ``noisy_rows`` asks for
        In the coordinates of the noise, on the device.
    architecture : Architecture
    config : TrainingConfig
    folds : list of ndarray
        Indices of the rows that the networks of each fold do not see.
    n_rows : int
        Rows beyond the first as many are copies, spread otherwise over their cells: they train, and do not validate.
    n_networks : int
        Networks for each fold.
    seed : int
    device : str
    group : ProcessGroup
        Processes that each have made the same ensemble, and train it together.
    """

    rows: Any
    architecture: Architecture
    config: TrainingConfig
    folds: list
    n_rows: int
    n_networks: int
    seed: int
    device: str
    group: ProcessGroup = ALONE

    @torch.inference_mode(False)
    @torch.enable_grad()
    def train(self, watch, start=None, checkpoint=None, deadline=np.inf) -> TrainingState:
        """Train until the loss of the validation rows falls no more, or until the deadline.

        ``watch(state)`` is called after each validation, may move the deadline of the state, and ends the training by
        returning True; `start` is a Denoiser to begin with; `checkpoint` is where the training is saved, and resumed
        from. Without validation rows it takes a single step and keeps its shrinkage.
        """
        members, sets = self._members(self.folds, start and start.weights), self._validation_sets()
        validation = partial(_validated, sets=sets) if sets else None
        config = self.config if sets else replace(self.config, max_iter=1)
        state = TrainingState(members, validation, config, self.group.first(deadline), self.group)
        if start is not None:
            state.begin_with(start.shrinkage)

        def advance():
            state.advance()
            stopped = self.group.together(lambda: watch(state))
            stopped, state.deadline = self.group.first((stopped, state.deadline))
            return stopped or state.ended

        with threads_for(_work(state)):
            train_to_the_end(state, advance, checkpoint, self.group)
        return state

    @torch.inference_mode(False)
    @torch.enable_grad()
    def refitted(self, trained, deadline=np.inf, checkpoint=None) -> Denoiser:
        """Networks trained on all rows for as long as the state `trained` found best, with the same shrinkage.

        If the deadline cuts them short, the trained ones remain. The `checkpoint` is that of the training before.
        """
        best = trained.best
        if best.step == 0:
            return self.denoiser(trained)
        share = 1.0 - len(self.folds[0]) / len(self.rows)
        config = replace(self.config, max_iter=max(1, round(best.step / share)))
        members = self._members([np.empty(0, dtype=int)] * len(self.folds), None)
        deadline, best = self.group.first(deadline), best._replace(state=None)
        again = TrainingState(members, None, config, deadline, self.group, best=best)

        def advance():
            again.advance()
            return again.ended

        if not again.ended:
            with threads_for(_work(again)):
                train_to_the_end(again, advance, checkpoint, self.group)
        return self.denoiser(again if again.step == config.max_iter else trained)

    def denoiser(self, state) -> Denoiser:
        """The networks of `state` at their best so far."""
        d = len(self.rows.variance)
        probes = None if d <= MAX_EXACT else np.random.default_rng(self.seed).choice([-1.0, 1.0], size=(N_PROBES, d))
        return Denoiser(
            self.architecture,
            state.weights(),
            self.architecture.variance,
            state.best.shrinkage,
            probes,
            len(self.folds),
            self.device,
        )

    # ---- rows and networks on the device ---------------------------------------------------------

    def _generator(self, index):
        return torch.Generator(self.device).manual_seed(self.seed + 7919 * index)

    def _members(self, folds, start):
        n_networks = len(folds) * self.n_networks
        stacks = self.architecture.initialised(n_networks, self.seed, self.device, self.group)
        if start is not None:
            _begin_with([stack for stack, _ in stacks], start)
        seen = [torch.from_numpy(_all_but(len(self.rows), fold)).to(self.device) for fold in folds]
        kept = iter(index for index in seen for _ in range(self.n_networks))
        return [
            Member(stack, self.rows, [next(kept) for _ in range(stack.n_networks)], self.config, generator, self.group)
            for stack, generator in stacks
        ]

    def _validation_sets(self):
        """Of each fold: its rows with noise, their weights, and the indices of the networks that do not see them."""
        weight = self.rows.weight
        held_out = [fold[fold < self.n_rows] for fold in self.folds]
        n_held_out = max(1, sum(map(len, held_out)))
        repeats = min(MAX_REPEATS, max(MIN_REPEATS, VALIDATION_DRAWS // n_held_out))
        sets = []
        for k, index in enumerate(held_out):
            if len(index) == 0:
                continue
            batch = validation_batch(self.rows, index, repeats, self._generator(-1 - k))
            unseeing = list(range(k * self.n_networks, (k + 1) * self.n_networks))
            sets.append((batch, None if weight is None else weight[index], unseeing))
        return sets


def _all_but(n, fold):
    """Indices of n rows but for those of a fold."""
    kept = np.ones(n, dtype=bool)
    kept[fold] = False
    return np.flatnonzero(kept)


def _validated(members, sets):
    """Best shrinkage of the members' output on all validation sets, and their loss at it."""
    # the sets of folds are too small to tell a far row from a row of bad luck
    share = FAR_ROWS if len(sets) == 1 else 0.0
    batches, weights, unseeing = zip(*sets, strict=True)
    parts = zip(*(member.averaged(batches) for member in members), strict=True)
    return best_shrinkage(batches, [torch.cat(part) for part in parts], unseeing, weights, share)


def _begin_with(stacks, weights):
    """Give networks the weights of an earlier fit."""
    try:
        load_weights(stacks, weights)
    except (KeyError, RuntimeError):
        raise ValueError(
            "the weights of the last fit are those of another network: training goes on from them only with the same "
            "network, hidden_layer_sizes and parametrization. Fit anew with warm_start=False."
        ) from None


def _work(state):
    """Multiply-adds of one forward pass."""
    return state.config.batch_size * state.members[0].weights.theta.numel()
