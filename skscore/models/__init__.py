"""Families of densities that score matching fits in closed form."""

from .base import GaussianBase
from .exponential import ExponentialFamily
from .gaussian import Gaussian
from .interactions.pairwise import PairwiseInteraction, TruncatedGaussian
from .kernels.kernel import Kernel
from .polynomial import Polynomial

__all__ = [
    "ExponentialFamily",
    "Gaussian",
    "GaussianBase",
    "Kernel",
    "PairwiseInteraction",
    "Polynomial",
    "TruncatedGaussian",
]
