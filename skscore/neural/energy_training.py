r"""Training of an energy by score matching, validated on rows that it does not see.

With :math:`s = -\nabla E` and whitened rows y, one batch costs

===========  ===================================================================================
implicit     :math:`\tfrac12\|s\|^2 - \Delta E`, the Laplacian exact
sliced       :math:`\tfrac12\|s\|^2 - \frac1K\sum_k v_k^\top\nabla^2E\,v_k`, fresh Rademacher :math:`v_k` for each row
explicit     :math:`\tfrac12\|s - t\|^2`, t the known scores
denoising    :math:`\tfrac12\|s(y + \sigma zA) - t\|^2`, with :math:`t = -zA^{-\top}/\sigma` and A the whitening
===========  ===================================================================================

Running averages of the weights are validated on rows held out, at draws fixed once. The learning rate stays constant
until the validation objective stalls; then the best state is restored and annealed to rate zero. First validated are
the weights begun with, at first the Gaussian of the rows. They are kept unless the best gains two standard errors on
them: the objective is heavy-tailed, and one row held out can reward anything (the rule of Breiman et al., 1984,
doubled).

Weights decay at the rate :math:`\lambda\sqrt{b/n}` for batches of b of n rows, in the normalised form of Loshchilov and
Hutter (2019) but for their number of epochs, which is not known beforehand. Adam measures its steps in the spread of
the gradients of batches; of that, the standard error of the gradient of n rows is a share :math:`\sqrt{b/n}`. So the
decay takes what the rows hardly ask for, above all slopes too steep at the outermost of them.

References
----------
Breiman, L., Friedman, J., Olshen, R., & Stone, C. (1984). Classification and Regression Trees, section 3.4.3.
Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, 695-709.
Loshchilov, I., & Hutter, F. (2019). Decoupled weight decay regularization. ICLR, appendix B.1.
Song, Y., Garg, S., Shi, J., & Ermon, S. (2019). Sliced score matching. UAI, eq. 8.
Vincent, P. (2011). A connection between score matching and denoising autoencoders. Neural Computation 23, eq. 9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..formulas import score_losses
from ..models.family import Sample
from ..models.folds import taken
from ._torch import torch
from .checkpoint import Checkpoint, progress, take_up, train_to_the_end
from .devices import threads_for
from .training_config import Best, TrainingConfig

__all__ = ["Curvature", "EnergyTraining", "Match", "Noisy"]


# ---- what a batch costs: `draw` its random numbers, then `values` of its rows --------------------


@dataclass(frozen=True)
class Curvature:
    """The implicit objective, exact, or sliced along `n_projections` random directions for each row."""

    n_projections: int | None = None

    def draw(self, y, generator):
        """Directions with Σ vvᵀ = I on average: the axes, or signs over √K."""
        d = y.shape[1]
        if self.n_projections is None:
            return torch.eye(d, dtype=y.dtype, device=y.device)[:, None]
        shape = self.n_projections, *y.shape
        coins = torch.randint(0, 2, shape, generator=generator, device=y.device, dtype=y.dtype)
        return (2.0 * coins - 1.0) * self.n_projections**-0.5

    def values(self, energy, rows, directions):
        """Objective of each row, shape (n,)."""
        gradient, curvature = energy.derivatives(rows.X, directions)
        return score_losses.implicit(-gradient, -curvature)


@dataclass(frozen=True)
class Match:
    """The explicit objective: the distance to known scores."""

    def draw(self, y, generator):
        """Draw nothing."""

    def values(self, energy, rows, nothing):
        """Objective of each row, shape (n,)."""
        return score_losses.explicit(-energy.gradient(rows.X), rows.Y)


@dataclass(frozen=True, eq=False)
class Noisy:
    """The denoising objective at noise N(0, σ²I) in the units of X.

    Parameters
    ----------
    sigma : float
    matrix : ndarray of shape (d, d)
        A of the whitening y = xA + b.
    n_draws : int
        Draws of noise for each row.
    """

    sigma: float
    matrix: np.ndarray
    n_draws: int = 1

    def draw(self, y, generator):
        """Standard normal z, in the units of X, shape (n_draws, n, d)."""
        return torch.randn((self.n_draws, *y.shape), generator=generator, device=y.device, dtype=y.dtype)

    def values(self, energy, rows, z):
        """Objective of each row, shape (n,)."""
        A, inverse = (torch.as_tensor(M, dtype=z.dtype, device=z.device) for M in (self.matrix, self._inverse))
        noisy, known = rows.X + self.sigma * z @ A, -(z @ inverse.T) / self.sigma
        score = -energy.gradient(noisy.flatten(0, 1))
        return score_losses.explicit(score, known.flatten(0, 1)).view(self.n_draws, -1).mean(dim=0)

    @property
    def _inverse(self):
        return np.linalg.inv(self.matrix)


# ---- the training --------------------------------------------------------------------------------


@dataclass
class EnergyTraining:
    """A training in progress: ``run`` takes it to its end.

    Parameters
    ----------
    energy : Energy
    loss : Curvature, Match or Noisy
        What is minimised.
    scorer : Curvature, Match or Noisy
        What the rows held out are scored by.
    rows, held_out : Sample
        Without rows held out, all steps are made.
    config : TrainingConfig
    generator : torch.Generator
    watch : callable, optional
        Called with (step, training loss, validation loss) after each validation; ends the training by returning True.
    checkpoint : Checkpoint, optional
        Where the training is saved, and resumed from.
    """

    energy: torch.nn.Module
    loss: Curvature | Match | Noisy
    scorer: Curvature | Match | Noisy
    rows: Sample
    held_out: Sample
    config: TrainingConfig
    generator: torch.Generator
    watch: Callable = lambda step, loss, validation_loss: False
    checkpoint: Checkpoint | None = None
    step: int = 0
    over: bool = False
    annealing: tuple | None = None  # first and last step
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)

    def __post_init__(self):
        self.parameters: list[torch.Tensor] = list(self.energy.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        rate, share = self.config.learning_rate, min(1.0, self.config.batch_size / len(self.rows.X))
        decay = self.config.weight_decay * share**0.5
        self.optimizer = torch.optim.AdamW(self.parameters, lr=rate, weight_decay=decay, betas=(0.9, 0.99), fused=True)
        self.order = torch.empty(0, dtype=torch.int64, device=self.rows.X.device)
        self.validates = len(self.held_out.X) > 0
        self.drawn = self.scorer.draw(self.held_out.X, self.generator)
        self.begun = self._scored(self.average) if self.validates else None  # of each row
        start = np.inf if self.begun is None else float(_mean(self.begun, self.held_out.weight))
        self.start = self.best = Best(start, 0, [p.clone() for p in self.average])
        if not self.validates:
            self.annealing = (self.config.max_iter * 3 // 4, self.config.max_iter)

    def run(self):
        """Train to the end, and leave the best weights in the energy."""
        with threads_for(self.config.batch_size * sum(p.numel() for p in self.parameters)):
            train_to_the_end(self, self._advance, self.checkpoint)
        if self.validates and not self._surpasses_the_start():
            self.best = self.start
        self._load(self.best.state if self.validates else self.average)
        return self

    @property
    def _last_step(self):
        return self.config.max_iter if self.annealing is None else self.annealing[1]

    def _advance(self):
        """Steps up to the next validation; whether the training ends there, by itself or by the watch."""
        steps = min(self.config.check_every, self._last_step - self.step)
        self.train_curve.append(float(sum(self._step() for _ in range(steps))) / steps)
        if self.validates:
            self._validate()
        stopped = self.watch(self.step, self.train_curve[-1], self.validation_curve[-1] if self.validates else np.nan)
        return stopped or self.step >= self._last_step

    def _next_batch(self):
        """Every row once, in random order, before any comes again."""
        n, device = len(self.rows.X), self.rows.X.device
        while len(self.order) < min(n, self.config.batch_size):
            self.order = torch.cat([self.order, torch.randperm(n, generator=self.generator, device=device)])
        index, self.order = self.order.tensor_split([min(n, self.config.batch_size)])
        return taken(self.rows, index)

    def _step(self):
        rows = self._next_batch()
        loss = _mean(self.loss.values(self.energy, rows, self.loss.draw(rows.X, self.generator)), rows.weight)
        ridge = self.config.ridge
        penalty = 0.5 * ridge * sum(p.square().sum() for p in self.parameters) if ridge else 0.0
        self.optimizer.zero_grad(set_to_none=True)
        (loss + penalty).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.step += 1
        self.optimizer.param_groups[0]["lr"] = self._rate()
        self.optimizer.step()
        decay = min(self.config.averaging, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1.0 - decay)
        return loss.detach()

    def _rate(self):
        """Learning rate: warm-up, plateau, linear to zero."""
        rate = self.config.learning_rate * min(1.0, self.step / 100)
        if self.annealing is None:
            return rate
        first, last = self.annealing
        return rate * min(1.0, (last - self.step + 1) / (last - first))

    # ---- validation ------------------------------------------------------------------------------

    def _validate(self):
        """Validate the averaged weights, keep them if they are the best, and anneal if they stall."""
        value = self.validation_loss()
        self.validation_curve.append(value)
        if value < self.best.value:
            self.best = Best(value, self.step, [p.clone() for p in self.average])
        waited, left = self.step - self.best.step, self.config.max_iter - self.step
        patience = max(self.config.patience, self.step // 4)
        if self.annealing is None and (waited >= patience or left <= self.config.max_iter // 4):
            self._anneal()

    def _anneal(self):
        self.average = [p.clone() for p in self.best.state]
        self._load(self.average)
        length = max(5 * self.config.check_every, self.best.step // 4)
        self.annealing = (self.step, min(self.config.max_iter, self.step + length))

    def validation_loss(self):
        """Mean objective of the rows held out at the averaged weights."""
        return float(_mean(self._scored(self.average), self.held_out.weight))

    def _surpasses_the_start(self):
        """Whether the best weights gain two standard errors on those begun with."""
        gain, weight = self.begun - self._scored(self.best.state), self.held_out.weight
        mean = _mean(gain, weight)
        share = torch.full_like(gain, 1.0 / len(gain)) if weight is None else weight / weight.sum()
        return bool(mean > 2.0 * (share * (gain - mean)).square().sum().sqrt())

    @torch.no_grad()
    def _scored(self, weights):
        """Objective of each row held out at these weights, shape (n,)."""
        current = [p.detach().clone() for p in self.parameters]
        self._load(weights)
        values = self.scorer.values(self.energy, self.held_out, self.drawn)
        self._load(current)
        return values

    @torch.no_grad()
    def _load(self, values):
        torch._foreach_copy_(self.parameters, values)

    # ---- state -----------------------------------------------------------------------------------

    def state(self):
        """Everything that the rest of the training depends on."""
        own = {"order": self.order, "average": self.average, "best": tuple(self.best[:3]), "annealing": self.annealing}
        modules = {"energy": self.energy.state_dict(), "optimizer": self.optimizer.state_dict()}
        return {**progress(self), **own, **modules, "generator": self.generator.get_state()}

    def restore(self, state):
        """Go back to a state."""
        take_up(self, state)
        self.annealing = state["annealing"]
        self.energy.load_state_dict(state["energy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        device = self.rows.X.device
        self.order, self.average = state["order"].to(device), [p.to(device) for p in state["average"]]
        value, step, weights = state["best"]
        self.best = Best(value, step, [p.to(device) for p in weights])


def _mean(values, weight):
    return values.mean() if weight is None else (weight * values).sum() / weight.sum()
