"""The catalogue: every model by the string that names it, and every objective."""

from __future__ import annotations

from .gaussian import Gaussian
from .interactions.pairwise import PairwiseInteraction, TruncatedGaussian
from .kernels.kernel import Kernel
from .objectives import Denoising, Explicit, Implicit, Sliced
from .polynomial import Polynomial

__all__ = ["MODELS", "OBJECTIVES", "resolve_objective"]

MODELS = {
    "gaussian": Gaussian,
    "kernel": Kernel,
    "pairwise": PairwiseInteraction,
    "polynomial": Polynomial,
    "truncated_gaussian": TruncatedGaussian,
}
OBJECTIVES = {"implicit": Implicit, "explicit": Explicit, "sliced": Sliced, "denoising": Denoising}


def resolve_objective(name, noise_level, model, d):
    """Objective object for its name; `noise_level` is σ of the denoising objective, "auto" the model's cheapest."""
    name = model.cheapest_objective(d) if name == "auto" else name
    return Denoising(sigma=noise_level) if name == "denoising" else OBJECTIVES[name]()
