"""Figures of a density, of its parameters, its training and its rows.

The displays follow scikit-learn's pattern: ``from_estimator`` evaluates once and stores the numbers; ``plot`` draws
them and may be called again with other options.
"""

from .contributions_bar import ContributionsDisplay
from .graph import GraphDisplay
from .noise_levels import NoiseLevelDisplay
from .pair_matrix import PairDisplay
from .pairs import DensityDisplay, ScoreFieldDisplay
from .path import PathDisplay
from .synthetic import SyntheticReportDisplay
from .training_curve import TrainingDisplay

__all__ = [
    "ContributionsDisplay",
    "DensityDisplay",
    "GraphDisplay",
    "NoiseLevelDisplay",
    "PairDisplay",
    "PathDisplay",
    "ScoreFieldDisplay",
    "SyntheticReportDisplay",
    "TrainingDisplay",
]
