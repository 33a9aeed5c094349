"""Training of one or several networks side by side, watched by rows that they do not see.

Juries, held-out rows at noise levels and draws fixed once, judge the members that have not seen them, and all juries
decide together for all members. The learning rate stays constant until the judgement stalls; then the best
state is taken up again and annealed to rate zero. Judged and kept are running averages of the weights. Where nothing
beats the reference Gaussian, the zero network, which is that Gaussian, is what remains.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from ..formulas.schedules import loss_weight
from .checkpoint import progress, take_up
from .noise_schedule import Batch, noisy_batch
from .output_scaling import OutputScaling, best_shrinkage

__all__ = ["Jury", "Member", "Recipe", "Run"]

FAR_ROWS = 0.05  # share of the rows of a jury that may be left to the tail


@dataclass(frozen=True)
class Recipe:
    """How networks are trained.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
    max_steps : int
        Steps of each member, at most.
    max_time : float
        Seconds, at most.
    check_every : int
        Steps between two judgements.
    patience : int
        Least number of steps without improvement before annealing; a quarter of the steps done if that is more.
    weighting : {"edm", "sigma2"} or callable
        See ``formulas.schedules.loss_weight``.
    averaging : float
        Decay of the averaged weights.
    clip : float
        Largest norm of the gradient.
    autocast, compile : bool
        Whether to step in bfloat16, through ``torch.compile``.
    """

    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 512
    max_steps: int = 8000
    max_time: float = float("inf")
    check_every: int = 50
    patience: int = 200
    weighting: str | Callable = "edm"
    averaging: float = 0.999
    clip: float = 5.0
    autocast: bool = False
    compile: bool = False


class Member:
    """A network with its optimiser, its averaged weights and its rows.

    Parameters
    ----------
    network : torch.nn.Module
    rows : tensor of shape (n, d)
        Training rows.
    weight : tensor of shape (n,) or None
        Their weights.
    levels : NoiseLevels
    variance : tensor of shape (d,)
    recipe : Recipe
    generator : torch.Generator
    """

    def __init__(self, network, rows, weight, levels, variance, recipe, generator):
        self.network, self.levels, self.variance, self.recipe = network.train(), levels, variance, recipe
        self.forward = torch.compile(network) if recipe.compile else network
        self.rows, self.weight = rows, weight
        self.generator = generator
        self.parameters = list(network.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99), fused=True
        )
        self.order = torch.empty(0, dtype=torch.int64, device=rows.device)
        self.gain = torch.zeros((), device=rows.device)

    # ---- one step --------------------------------------------------------------------------------

    def _random(self, draw, *shape):
        return draw(*shape, generator=self.generator, device=self.rows.device, dtype=self.rows.dtype)

    def _next_rows(self):
        """Indices of the next batch: every row once, in random order, before any comes again."""
        while len(self.order) < self.recipe.batch_size:
            fresh = torch.randperm(len(self.rows), generator=self.generator, device=self.rows.device)
            self.order = torch.cat([self.order, fresh])
        index, self.order = self.order.tensor_split([self.recipe.batch_size])
        return index

    def _next_batch(self):
        index = self._next_rows()
        rows, n = self.rows[index], len(index)
        u = (torch.arange(n, device=rows.device, dtype=rows.dtype) + self._random(torch.rand, n)) / n
        batch = noisy_batch(rows, u, self._random(torch.randn, *rows.shape), self.levels, self.variance)
        return batch, None if self.weight is None else self.weight[index]

    def step(self, k, rate):
        """Step k = 1, 2, … at learning rate `rate`."""
        batch, weight = self._next_batch()
        device = self.rows.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.recipe.autocast):
            output = self.forward(batch.y, batch.c_noise)
        error = (output.float() - batch.target) ** 2
        loss = _mean_sum(loss_weight(self.recipe.weighting, batch.sigma, self.variance) * error, weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        with torch.no_grad():
            decay = min(self.recipe.averaging, (1 + k) / (10 + k))
            torch._foreach_lerp_(self.average, self.parameters, 1.0 - decay)
            self.gain += _mean_sum(batch.nats * (error - batch.target**2), weight)

    # ---- judgement -------------------------------------------------------------------------------

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


class Jury(NamedTuple):
    """Held-out rows at fixed noise, and the members that have not seen them."""

    batch: Batch
    weight: torch.Tensor | None
    members: list

    @classmethod
    def drawn(cls, rows, weight, members, levels, variance, repeats, generator):
        """`repeats` noisy copies of each of the rows (n, d), their noise levels stratified."""
        random = {"generator": generator, "device": rows.device, "dtype": rows.dtype}
        u = (
            torch.rand(len(rows), 1, **random) + torch.arange(repeats, device=rows.device, dtype=rows.dtype) / repeats
        ) % 1.0
        many = rows.repeat_interleave(repeats, dim=0)
        batch = noisy_batch(many, u.flatten(), torch.randn(many.shape, **random), levels, variance)
        return cls(batch._replace(repeats=repeats), weight, members)


class Best(NamedTuple):
    """The best judgement so far; at first that of the reference Gaussian."""

    value: float = 0.0
    step: int = 0
    shrinkage: OutputScaling = OutputScaling([0.0], [0.0])
    states: list | None = None


@dataclass
class Run:
    """A training in progress: `steps` moves it, `weights` is its result.

    Parameters
    ----------
    members : list of Member
    juries : list of Jury
        Without any, training goes on for all its steps.
    recipe : Recipe
    """

    members: list
    juries: list
    recipe: Recipe
    step: int = 0
    best: Best = field(default_factory=Best)
    annealing: tuple | None = None  # first and last step
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)

    def __post_init__(self):
        self.started = time.monotonic()
        if not self.juries:
            last = self.recipe.max_steps
            self.annealing = (last - last // 4, last)

    def rate(self, k):
        """Learning rate of step k: warm-up, plateau, linear to zero."""
        rate = self.recipe.learning_rate * min(1.0, k / 100)
        if self.annealing is None:
            return rate
        first, last = self.annealing
        return rate * min(1.0, (last - k + 1) / (last - first + 1))

    @property
    def last_step(self):
        """Where the training ends at the latest."""
        return self.recipe.max_steps if self.annealing is None else self.annealing[1]

    def begin_with(self, shrinkage):
        """Let the weights that the members begin with stand as the best until others are better."""
        self.best = Best(shrinkage=shrinkage)
        if self.juries:
            self._judge()
            self.validation_curve.clear()

    def advance(self):
        """Train up to the next judgement; False when there is nothing left to do."""
        steps = min(self.recipe.check_every, self.last_step - self.step)
        for k in range(self.step + 1, self.step + steps + 1):
            for member in self.members:
                member.step(k, self.rate(k))
        self.step += steps
        self.train_curve.append(float(np.mean([m.training_gain(steps) for m in self.members])))
        if self.juries:
            self._judge()
        return self.step < self.last_step and time.monotonic() - self.started < self.recipe.max_time

    def _judge(self):
        # the juries of folds are too small to tell a far row from a row of bad luck
        share = FAR_ROWS if len(self.juries) == 1 else 0.0
        batches = [jury.batch for jury in self.juries]
        outputs = [member.averaged(batches) for member in self.members]
        unseeing = [_mean([outputs[m][k] for m in jury.members]) for k, jury in enumerate(self.juries)]
        together = [_mean(parts) for parts in zip(*outputs, strict=True)]
        shrinkage, value = best_shrinkage(batches, unseeing, together, [jury.weight for jury in self.juries], share)
        self.validation_curve.append(value)
        if value < self.best.value:
            self.best = Best(value, self.step, shrinkage, [m.state() for m in self.members])
        if self.annealing is None and self._stalled():
            self._anneal()

    def _stalled(self):
        waited = self.step - self.best.step
        left = self.recipe.max_steps - self.step
        return waited >= max(self.recipe.patience, 0.25 * self.step) or left <= 0.25 * self.step

    def _anneal(self):
        if self.best.states is not None:
            for member, state in zip(self.members, self.best.states, strict=True):
                member.restore(state)
        length = max(5 * self.recipe.check_every, self.best.step // 4)
        self.annealing = (self.step + 1, min(self.recipe.max_steps, self.step + length))

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
        """Averaged weights of each member at the best judgement, as numpy arrays by name."""
        gaussian = bool(self.juries) and self.best.states is None
        result = []
        for i, member in enumerate(self.members):
            average = member.average if self.best.states is None else self.best.states[i]["average"]
            names = [name for name, _ in member.network.named_parameters()]
            kept = {**member.network.state_dict(), **dict(zip(names, average, strict=True))}
            arrays = {name: value.cpu().numpy().copy() for name, value in kept.items()}
            result.append({name: np.zeros_like(array) for name, array in arrays.items()} if gaussian else arrays)
        return result


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
