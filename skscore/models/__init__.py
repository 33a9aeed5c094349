"""Families of densities that score matching fits in closed form."""

from .base import GaussianBase
from .exponential import ExponentialFamily
from .gaussian import Gaussian
from .kernel import Kernel
from .pairwise import PairwiseInteraction, TruncatedGaussian
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
