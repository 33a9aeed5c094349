"""Networks for the folds of a table, trained on the rows that they see and validated on those that they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from ._torch import torch
from .denoiser import Denoiser
from .devices import threads_for
from .member import Member
from .noise_schedule import Batch, NoiseSchedule, noisy_batch
from .stacks import Architecture, load_weights
from .training import TrainingState
from .training_config import TrainingConfig

__all__ = ["Ensemble"]

VALIDATION_DRAWS = 4096  # noisy rows of all validation sets, as long as each row has its least and most repeats
MIN_REPEATS, MAX_REPEATS = 4, 64
N_PROBES, MAX_EXACT = 16, 64  # divergence probes, for tables of more columns than the latter


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Some networks for each fold of the rows, which they do not see, trained side by side.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows in the coordinates of the noise.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    architecture : Architecture
    schedule : NoiseSchedule
        On the device.
    config : TrainingConfig
    folds : list of ndarray
        Indices of the rows that the networks of each fold do not see.
    n_rows : int
        Rows beyond the first as many are copies, spread otherwise over their cells: they train, and do not validate.
    n_networks : int
        Networks for each fold.
    seed : int
    device : str
    """

    Z: np.ndarray
    weight: np.ndarray | None
    architecture: Architecture
    schedule: NoiseSchedule
    config: TrainingConfig
    folds: list
    n_rows: int
    n_networks: int
    seed: int
    device: str

    @torch.inference_mode(False)
    @torch.enable_grad()
    def train(self, watch, start=None, checkpoint=None, deadline=np.inf) -> TrainingState:
        """Train until the loss of the validation rows falls no more, or until the deadline.

        ``watch(state)`` is called after each validation, may move the deadline of the state, and ends the training by
        returning True; `start` is a Denoiser to begin with; `checkpoint` is where the training is saved, and resumed
        from. Without validation rows it takes a single step and keeps its shrinkage.
        """
        members, validation = self._members(self.folds, start and start.weights), self._validation_sets()
        config = self.config if validation else replace(self.config, max_iter=1)
        state = TrainingState(members, validation, config, deadline)
        if start is not None:
            state.begin_with(start.shrinkage)
        if checkpoint is not None:
            checkpoint.resume(state)
        with threads_for(_work(state)):
            more = True
            while more:
                state.advance()
                more = not watch(state) and not state.ended
                if more and checkpoint is not None:
                    checkpoint.save(state)
        if checkpoint is not None:
            checkpoint.remove()
        return state

    @torch.inference_mode(False)
    @torch.enable_grad()
    def refitted(self, trained, deadline=np.inf) -> Denoiser:
        """Networks trained on all rows for as long as the state `trained` found best, with the same shrinkage.

        If the deadline cuts them short, the trained ones remain.
        """
        best = trained.best
        if best.step == 0:
            return self.denoiser(trained)
        share = 1.0 - len(self.folds[0]) / len(self.Z)
        config = replace(self.config, max_iter=max(1, round(best.step / share)))
        members = self._members([np.empty(0, dtype=int)] * len(self.folds), None)
        again = TrainingState(members, [], config, deadline, best=best._replace(state=None))
        with threads_for(_work(again)):
            while not again.ended:
                again.advance()
        return self.denoiser(again if again.step == config.max_iter else trained)

    def denoiser(self, state) -> Denoiser:
        """The networks of `state` at their best so far."""
        d = self.Z.shape[1]
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

    @cached_property
    def _tensors(self):
        """Rows, weights and λ."""
        tensor = partial(torch.tensor, dtype=torch.float32, device=self.device)
        weight = None if self.weight is None else tensor(self.weight / self.weight.mean())
        return tensor(self.Z), weight, tensor(self.architecture.variance)

    def _generator(self, index):
        return torch.Generator(self.device).manual_seed(self.seed + 7919 * index)

    def _members(self, folds, start):
        n_networks = len(folds) * self.n_networks
        stacks = self.architecture.initialised(n_networks, self.seed, self.device)
        if start is not None:
            _begin_with([stack for stack, _ in stacks], start)
        rows = self._tensors[0]
        seen = [torch.from_numpy(np.setdiff1d(np.arange(len(rows)), fold)).to(self.device) for fold in folds]
        kept = iter(index for index in seen for _ in range(self.n_networks))
        return [self._member(stack, kept, generator) for stack, generator in stacks]

    def _member(self, stack, kept, generator):
        rows, weight, variance = self._tensors
        own = [next(kept) for _ in range(stack.n_networks)]
        return Member(stack, rows, weight, own, self.schedule, variance, self.config, generator)

    def _validation_sets(self):
        rows, weight, variance = self._tensors
        held_out = [fold[fold < self.n_rows] for fold in self.folds]
        n_held_out = max(1, sum(map(len, held_out)))
        repeats = min(MAX_REPEATS, max(MIN_REPEATS, VALIDATION_DRAWS // n_held_out))
        sets = []
        for k, index in enumerate(held_out):
            if len(index) == 0:
                continue
            batch = validation_batch(rows[index], self.schedule, variance, repeats, self._generator(-1 - k))
            unseeing = list(range(k * self.n_networks, (k + 1) * self.n_networks))
            sets.append((batch, None if weight is None else weight[index], unseeing))
        return sets


def validation_batch(rows, schedule, variance, repeats, generator) -> Batch:
    """`repeats` noisy copies of each of the held-out rows (n, d), their noise fixed and their levels stratified."""
    random = {"generator": generator, "device": rows.device, "dtype": rows.dtype}
    u = (
        torch.rand(len(rows), 1, **random) + torch.arange(repeats, device=rows.device, dtype=rows.dtype) / repeats
    ) % 1.0
    many = rows.repeat_interleave(repeats, dim=0)
    batch = noisy_batch(many, u.flatten(), torch.randn(many.shape, **random), schedule, variance)
    return batch._replace(repeats=repeats)


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
