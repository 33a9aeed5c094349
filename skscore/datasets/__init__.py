"""Toy distributions whose density, score and sampler are exact, for tests and examples of score matching.

Every distribution has `score_samples(X)`, `grad_log_density(X)`, `sample(n_samples, random_state)` and `n_features`.
`DISTRIBUTIONS` maps names to the distributions with default parameters.

Examples
--------
>>> from skscore.datasets import DISTRIBUTIONS
>>> sorted(DISTRIBUTIONS)
['banana', 'checkerboard', 'four_gaussians', 'funnel', 'funnel_10d', 'moons', 'rings', 'spirals']
>>> DISTRIBUTIONS["moons"].sample(5, random_state=0).shape
(5, 2)
"""

from .banana import Banana
from .checkerboard import Checkerboard
from .distribution import Distribution
from .funnel import Funnel
from .gaussian_mixture import FourGaussians, GaussianMixtureDistribution
from .half_circles import Moons, Spirals
from .rings import Rings

DISTRIBUTIONS: dict[str, Distribution] = {
    "moons": Moons(),
    "rings": Rings(),
    "checkerboard": Checkerboard(),
    "funnel": Funnel(n_features=2),
    "funnel_10d": Funnel(n_features=10),
    "banana": Banana(),
    "spirals": Spirals(),
    "four_gaussians": FourGaussians(),
}

__all__ = [
    "DISTRIBUTIONS",
    "Banana",
    "Checkerboard",
    "Distribution",
    "FourGaussians",
    "Funnel",
    "GaussianMixtureDistribution",
    "Moons",
    "Rings",
    "Spirals",
]
