"""Neural networks: the only subpackage that imports torch, and only when a network is trained or evaluated."""

from .energy import NeuralEnergy
from .score_network import ScoreNetwork

__all__ = ["NeuralEnergy", "ScoreNetwork"]
