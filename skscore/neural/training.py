"""A training in progress: its learning rate, its validation, and the best that it has come to.

Validation rows are scored by the networks that have not seen them, and decide together for all networks. The learning
rate falls to zero along a cosine, over the number of steps or over the time that there is (Loshchilov & Hutter, 2017).
If the validation loss stalls before, the best state is restored, and from there on the rate falls to zero in half as
many steps as led to it. What is validated and kept are running averages of the weights. If nothing beats the density
that training begins with, the zero network remains, which is that density.

References
----------
Loshchilov, I., & Hutter, F. (2017). SGDR: stochastic gradient descent with warm restarts. ICLR, eq. 5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .checkpoint import progress, take_up
from .output_scaling import OutputScaling
from .process_group import ALONE, ProcessGroup
from .stacks import weights_of
from .training_config import Best, TrainingConfig

__all__ = ["TrainingState"]

WARM_UP = 100  # steps
STALLED, OF_BEST = 0.15, 0.3  # steps without a better validation, of all or of those to the best if that is less
PATIENCE = 3  # validations without a better one, at least
COOLING, MIN_CHECKS = 0.5, 5  # steps to cool down, of those to the best, and the fewest validations meanwhile
GAUSSIAN = Best(0.0, 0, None, OutputScaling([0.0], [0.0]))  # a training begins with the reference Gaussian


@dataclass
class TrainingState:
    """A training in progress: `advance` moves it, `weights` is its result.

    Parameters
    ----------
    members : list of Learner
    validation : callable or None
        From the members with their averaged weights to how much of their output is best for the held-out rows, and the
        loss of these at that, relative to where training begins. Without it, training goes on for all its steps.
    config : TrainingConfig
    deadline : float
        Of ``time.monotonic()``: the last step is the first that ends beyond it.
    group : ProcessGroup
        Processes that train together: validation and time are those of the first.

    Attributes
    ----------
    cosine : tuple (first, last, peak)
        Steps over which the learning rate falls, and where it begins.
    pace : float
        Seconds of a step, from those before the last validation.
    """

    members: list
    validation: Callable | None
    config: TrainingConfig
    deadline: float = np.inf
    group: ProcessGroup = ALONE
    step: int = 0
    over: bool = False
    best: Best = GAUSSIAN
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)

    def __post_init__(self):
        self.cosine = 0, self.config.max_iter, self.config.learning_rate
        self.begun, self.pace = self._now(), 0.0

    def _now(self):
        """The time that all processes agree on; without a deadline they need none."""
        return time.monotonic() if self.deadline == np.inf else self.group.clock()

    def rate(self, k):
        """Learning rate of step k = 1, 2, …: warm-up, and a cosine in steps or in time, whichever is faster."""
        first, last, peak = self.cosine
        spent = (self._now() - self.begun) / (self.deadline - self.begun) if self.deadline > self.begun else 1.0
        done = min(1.0, max((k - 1 - first) / (last - first), spent))
        return peak * min(1.0, k / WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * done))

    @property
    def ended(self):
        """Whether no step is left, or no time."""
        return self.step >= self.cosine[1] or self._now() >= self.deadline

    @property
    def seconds_to_go(self):
        """How long all steps that are left will take, at most to the deadline."""
        return min(self.pace * (self.cosine[1] - self.step), self.deadline - time.monotonic())

    def begin_with(self, shrinkage):
        """Let the weights that the members begin with stand as the best until others are better."""
        self.best = GAUSSIAN._replace(shrinkage=shrinkage)
        if self.validation is not None:
            self._validate(self.validation)
            self.validation_curve.clear()

    def advance(self):
        """Train up to the next validation, or to the deadline."""
        steps = min(self.config.check_every, self.cosine[1] - self.step)
        before, begun = self.step, time.monotonic()
        for k in range(before + 1, before + steps + 1):
            rate = self.rate(k)
            for member in self.members:
                member.step(k, rate)
            self.step = k
            if self._now() >= self.deadline:
                break
        self.train_curve.append(float(np.mean([m.training_gain(self.step - before) for m in self.members])))
        self.pace = (time.monotonic() - begun) / (self.step - before)
        if self.validation is not None:
            self._validate(self.validation)

    def _validate(self, validation):
        """Keep the weights if their validation loss is the least so far, and cool down if it stalls."""
        shrinkage, value = self.group.of_first(lambda: validation(self.members))
        self.validation_curve.append(value)
        if value < self.best.value:
            self.best = Best(value, self.step, [member.state() for member in self.members], shrinkage)
        elif self._stalled():
            self._cool_down()

    def _stalled(self):
        """Whether the best is so old that the rate is too high for these rows; once in a training."""
        waited = self.step - self.best.step
        enough = min(STALLED * self.config.max_iter, OF_BEST * self.best.step)
        enough = max(enough, PATIENCE * self.config.check_every)
        return self.cosine[0] == 0 < self.best.step and waited >= enough

    def _cool_down(self):
        """Go back to the best state, and let the rate fall to zero from there."""
        best, peak = self.best.step, self.rate(self.best.step)
        for member, state in zip(self.members, self.best.state, strict=True):
            member.restore(state)
        last = best + max(MIN_CHECKS * self.config.check_every, round(COOLING * best))
        self.cosine = best, min(self.config.max_iter, last), peak
        self.step, self.begun = best, self._now()

    # ---- state -----------------------------------------------------------------------------------

    def state(self):
        """Everything that the rest of the training depends on."""
        best = {**self.best._asdict(), "shrinkage": list(self.best.shrinkage)}
        members = [member.whole_state() for member in self.members]
        return {**progress(self), "best": best, "cosine": self.cosine, "members": members}

    def restore(self, state):
        """Go back to a state."""
        for member, saved in zip(self.members, state["members"], strict=True):
            member.restore(saved)
        take_up(self, state)
        self.cosine = tuple(state["cosine"])
        self.best = Best(**{**state["best"], "shrinkage": OutputScaling(*state["best"]["shrinkage"])})

    def weights(self):
        """Averaged weights of each network at the best validation, as numpy arrays by name."""
        states = [member.state() for member in self.members] if self.best.state is None else self.best.state
        stacks = (weights_of(m.network, s["average"]) for m, s in zip(self.members, states, strict=True))
        weights = [arrays for stack in stacks for arrays in stack]
        if self.validation is not None and self.best.state is None:
            return [{name: np.zeros_like(array) for name, array in arrays.items()} for arrays in weights]
        return weights
