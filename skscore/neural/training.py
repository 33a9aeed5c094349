"""Training of one or several networks side by side, validated on rows that they do not see.

Validation rows, with noise levels and noise drawn once, are scored by the members that have not seen them, and all sets
of such rows decide together for all members. The learning rate stays constant until the validation loss stalls; then
the best state is restored and annealed to rate zero. What is validated and kept are running averages of the weights. If
nothing beats the reference Gaussian, the zero network remains, which is that Gaussian.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from ..formulas.schedules import loss_weight
from ._torch import torch
from .checkpoint import progress, take_up
from .denoiser import Architecture, Denoiser
from .devices import threads_for
from .noise_schedule import Batch, NoiseSchedule, noisy_batch
from .output_scaling import OutputScaling, best_shrinkage
from .training_config import Best, TrainingConfig

__all__ = ["Ensemble", "Member", "TrainingState"]

VALIDATION_DRAWS = 8192  # noisy rows of all validation sets, as long as each row has its least and most repeats
MIN_REPEATS, MAX_REPEATS = 4, 64
N_PROBES, MAX_EXACT = 16, 64  # divergence probes, for tables of more columns than the latter
FAR_ROWS = 0.05  # fraction of the validation rows that may be left to the tail
GAUSSIAN = Best(0.0, 0, None, OutputScaling([0.0], [0.0]))  # a training begins with the reference Gaussian


class Member:
    """A network with its optimiser, its averaged weights and its rows.

    Parameters
    ----------
    network : torch.nn.Module
    rows : tensor of shape (n, d)
        Training rows.
    weight : tensor of shape (n,) or None
        Their weights.
    schedule : NoiseSchedule
    variance : tensor of shape (d,)
    config : TrainingConfig
    generator : torch.Generator
    """

    def __init__(self, network, rows, weight, schedule, variance, config, generator):
        self.network, self.schedule, self.variance, self.config = network.train(), schedule, variance, config
        self.forward = torch.compile(network) if config.compile else network
        self.rows, self.weight = rows, weight
        self.generator = generator
        self.parameters = list(network.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99), fused=True
        )
        self.order = torch.empty(0, dtype=torch.int64, device=rows.device)
        self.gain = torch.zeros((), device=rows.device)

    # ---- one step --------------------------------------------------------------------------------

    def _random(self, draw, *shape):
        return draw(*shape, generator=self.generator, device=self.rows.device, dtype=self.rows.dtype)

    def _next_rows(self):
        """Indices of the next batch: every row once, in random order, before any comes again."""
        while len(self.order) < self.config.batch_size:
            fresh = torch.randperm(len(self.rows), generator=self.generator, device=self.rows.device)
            self.order = torch.cat([self.order, fresh])
        index, self.order = self.order.tensor_split([self.config.batch_size])
        return index

    def _next_batch(self):
        index = self._next_rows()
        rows, n = self.rows[index], len(index)
        u = (torch.arange(n, device=rows.device, dtype=rows.dtype) + self._random(torch.rand, n)) / n
        batch = noisy_batch(rows, u, self._random(torch.randn, *rows.shape), self.schedule, self.variance)
        return batch, None if self.weight is None else self.weight[index]

    def step(self, k, rate):
        """Step k = 1, 2, … at learning rate `rate`."""
        batch, weight = self._next_batch()
        device = self.rows.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.config.autocast):
            output = self.forward(batch.y, batch.c_noise)
        error = (output.float() - batch.target) ** 2
        loss = _mean_sum(loss_weight(self.config.weighting, batch.sigma, self.variance) * error, weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        with torch.no_grad():
            decay = min(self.config.averaging, (1 + k) / (10 + k))
            torch._foreach_lerp_(self.average, self.parameters, 1.0 - decay)
            self.gain += _mean_sum(batch.nats * (error - batch.target**2), weight)

    # ---- validation ------------------------------------------------------------------------------

    def training_gain(self, steps):
        """Mean loss of the last `steps` steps in nats, relative to the reference Gaussian."""
        value = float(self.gain) / steps
        self.gain.zero_()
        return value

    @torch.no_grad()
    def averaged(self, batches):
        """Outputs of the averaged weights on batches."""
        current = [p.detach().clone() for p in self.parameters]
        self._load(self.average)
        self.network.eval()
        outputs = [torch.cat([self.network(y, c) for y, c in _pieces(batch)]) for batch in batches]
        self.network.train()
        self._load(current)
        return outputs

    @torch.no_grad()
    def _load(self, values):
        torch._foreach_copy_(self.parameters, values)

    # ---- state -----------------------------------------------------------------------------------

    def state(self):
        """Everything that the next step depends on."""
        return {
            "network": [p.detach().clone() for p in self.parameters],
            "average": [p.clone() for p in self.average],
            "optimizer": _cloned(self.optimizer.state_dict()),
        }

    def whole_state(self):
        """`state` with the source of randomness and the rows still to come."""
        return {**self.state(), "generator": self.generator.get_state(), "order": self.order.clone()}

    def restore(self, state):
        """Go back to a state."""
        self._load(state["network"])
        self.average = [p.clone() for p in state["average"]]
        self.optimizer.load_state_dict(_cloned(state["optimizer"]))
        if "generator" in state:
            self.generator.set_state(state["generator"].cpu())
            self.order = state["order"].to(self.rows.device)


def validation_batch(rows, schedule, variance, repeats, generator) -> Batch:
    """`repeats` noisy copies of each of the held-out rows (n, d), their noise fixed and their levels stratified."""
    random = {"generator": generator, "device": rows.device, "dtype": rows.dtype}
    u = (
        torch.rand(len(rows), 1, **random) + torch.arange(repeats, device=rows.device, dtype=rows.dtype) / repeats
    ) % 1.0
    many = rows.repeat_interleave(repeats, dim=0)
    batch = noisy_batch(many, u.flatten(), torch.randn(many.shape, **random), schedule, variance)
    return batch._replace(repeats=repeats)


@dataclass
class TrainingState:
    """A training in progress: `advance` moves it, `weights` is its result.

    Parameters
    ----------
    members : list of Member
    validation : list of (Batch, tensor of shape (n,) or None, list of int)
        Held-out rows with noise, their weights, and the indices of the members that have not seen them. Without any,
        training goes on for all its steps.
    config : TrainingConfig
    deadline : float
        Of ``time.monotonic()``: the last step is the first that ends beyond it.
    """

    members: list
    validation: list
    config: TrainingConfig
    deadline: float = np.inf
    step: int = 0
    best: Best = GAUSSIAN
    annealing: tuple | None = None  # first and last step
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)

    def __post_init__(self):
        if not self.validation:
            last = self.config.max_iter
            self.annealing = (last - last // 4, last)

    def rate(self, k):
        """Learning rate of step k: warm-up, plateau, linear to zero."""
        rate = self.config.learning_rate * min(1.0, k / 100)
        if self.annealing is None:
            return rate
        first, last = self.annealing
        return rate * min(1.0, (last - k + 1) / (last - first + 1))

    @property
    def last_step(self):
        """Where the training ends at the latest."""
        return self.config.max_iter if self.annealing is None else self.annealing[1]

    @property
    def ended(self):
        """Whether no step is left, or no time."""
        return self.step >= self.last_step or time.monotonic() >= self.deadline

    def begin_with(self, shrinkage):
        """Let the weights that the members begin with stand as the best until others are better."""
        self.best = GAUSSIAN._replace(shrinkage=shrinkage)
        if self.validation:
            self._validate()
            self.validation_curve.clear()

    def advance(self):
        """Train up to the next validation, or to the deadline."""
        steps = min(self.config.check_every, self.last_step - self.step)
        before = self.step
        for k in range(before + 1, before + steps + 1):
            for member in self.members:
                member.step(k, self.rate(k))
            self.step = k
            if self.ended:
                break
        self.train_curve.append(float(np.mean([m.training_gain(self.step - before) for m in self.members])))
        if self.validation:
            self._validate()

    def _validate(self):
        # the sets of folds are too small to tell a far row from a row of bad luck
        share = FAR_ROWS if len(self.validation) == 1 else 0.0
        batches, weights, members = zip(*self.validation, strict=True)
        outputs = [member.averaged(batches) for member in self.members]
        unseeing = [_mean([outputs[m][k] for m in members[k]]) for k in range(len(batches))]
        together = [_mean(parts) for parts in zip(*outputs, strict=True)]
        shrinkage, value = best_shrinkage(batches, unseeing, together, weights, share)
        self.validation_curve.append(value)
        if value < self.best.value:
            self.best = Best(value, self.step, [m.state() for m in self.members], shrinkage)
        if self.annealing is None and self._stalled():
            self._anneal()

    def _stalled(self):
        waited = self.step - self.best.step
        left = self.config.max_iter - self.step
        return waited >= max(self.config.patience, 0.25 * self.step) or left <= 0.25 * self.step

    def _anneal(self):
        if self.best.state is not None:
            for member, state in zip(self.members, self.best.state, strict=True):
                member.restore(state)
        length = max(5 * self.config.check_every, self.best.step // 4)
        self.annealing = (self.step + 1, min(self.config.max_iter, self.step + length))

    def state(self):
        """Everything that the rest of the training depends on."""
        best = {**self.best._asdict(), "shrinkage": list(self.best.shrinkage)}
        return {**progress(self), "best": best, "members": [member.whole_state() for member in self.members]}

    def restore(self, state):
        """Go back to a state."""
        for member, saved in zip(self.members, state["members"], strict=True):
            member.restore(saved)
        take_up(self, state)
        self.best = Best(**{**state["best"], "shrinkage": OutputScaling(*state["best"]["shrinkage"])})

    def weights(self):
        """Averaged weights of each member at the best validation, as numpy arrays by name."""
        gaussian = bool(self.validation) and self.best.state is None
        result = []
        for i, member in enumerate(self.members):
            average = member.average if self.best.state is None else self.best.state[i]["average"]
            names = [name for name, _ in member.network.named_parameters()]
            kept = {**member.network.state_dict(), **dict(zip(names, average, strict=True))}
            arrays = {name: value.cpu().numpy().copy() for name, value in kept.items()}
            result.append({name: np.zeros_like(array) for name, array in arrays.items()} if gaussian else arrays)
        return result


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
        nothing = [np.empty(0, dtype=int)] * len(self.folds)
        again = TrainingState(self._members(nothing, None), [], config, deadline, best=best._replace(state=None))
        with threads_for(_work(again)):
            while not again.ended:
                again.advance()
        return self.denoiser(again if again.step == again.last_step else trained)

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
        rows, weight, variance = self._tensors
        members = []
        for k in range(len(folds) * self.n_networks):
            generator = self._generator(k)
            network = self.architecture.initialised(generator)
            if start is not None:
                _load(network, start[k])
            kept = np.setdiff1d(np.arange(len(rows)), folds[k // self.n_networks])
            part = rows[kept], None if weight is None else weight[kept]
            members.append(Member(network, *part, self.schedule, variance, self.config, generator))
        return members

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


def _load(network, weights):
    """Give a network the weights of an earlier fit."""
    try:
        network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    except RuntimeError:
        raise ValueError(
            "the weights of the last fit are those of another network: training goes on from them only with the same "
            "network, hidden_layer_sizes and parametrization. Fit anew with warm_start=False."
        ) from None


def _work(state):
    """Multiply-adds of one forward pass."""
    return state.config.batch_size * sum(p.numel() for p in state.members[0].parameters)


def _mean_sum(values, weight):
    """Weighted mean over rows of the sum over columns."""
    rows = values.sum(dim=1)
    return rows.mean() if weight is None else (weight * rows).mean()


def _mean(tensors):
    return sum(tensors) / len(tensors)


def _pieces(batch, rows=4096):
    return zip(batch.y.split(rows), batch.c_noise.split(rows), strict=True)


def _cloned(tree):
    """Copy of nested dictionaries and lists with cloned tensors."""
    if isinstance(tree, dict):
        return {key: _cloned(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_cloned(value) for value in tree]
    return tree.clone() if isinstance(tree, torch.Tensor) else tree
