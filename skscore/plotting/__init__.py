"""Figures of a density and of its parameters: values and scores on a grid, noise levels, graphs, paths of penalties.

The displays follow scikit-learn's pattern: ``from_estimator`` evaluates once and stores the numbers; ``plot`` draws
them and may be called again with other options.
"""

from .graph import GraphDisplay
from .noise_levels import NoiseLevelDisplay
from .pairs import DensityDisplay, ScoreFieldDisplay
from .path import PathDisplay
from .synthetic import SyntheticReportDisplay

__all__ = [
    "DensityDisplay",
    "GraphDisplay",
    "NoiseLevelDisplay",
    "PathDisplay",
    "ScoreFieldDisplay",
    "SyntheticReportDisplay",
]
