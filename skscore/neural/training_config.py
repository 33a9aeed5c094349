"""How networks are trained, energies and denoisers alike, and the best that a training has come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Best", "TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig:
    """How networks are trained.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW. For an energy the decay is multiplied by √(batch_size / n).
    batch_size : int
    max_iter : int
        Largest number of steps.
    check_every : int
        Steps between two looks at the validation rows.
    patience : int
        Smallest number of steps without improvement before annealing; a quarter of the steps done if that is more.
    averaging : float
        Decay of the averaged weights.
    clip : float
        Largest norm of the gradient.
    ridge : float
        α of an energy: α/2 times the squared weights is added to the objective.
    weighting : {"balanced", "edm", "sigma2"} or callable
        λ(σ) of a denoiser: see ``formulas.schedules.loss_weight``.
    autocast, compile : bool
        Whether a denoiser steps in bfloat16, or through ``torch.compile``.
    """

    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    batch_size: int = 512
    max_iter: int = 8000
    check_every: int = 50
    patience: int = 200
    averaging: float = 0.999
    clip: float = 5.0
    ridge: float = 0.0
    weighting: str | Callable = "edm"
    autocast: bool = False
    compile: bool = False


class Best(NamedTuple):
    """The best validation so far: its loss, its step, and the networks' state at that step; None is the Gaussian."""

    value: float
    step: int
    state: Any
    shrinkage: Any = None  # of a denoiser's output
