"""The torch floor: the only rooms that import torch, and they when first asked for."""

__all__ = ["NeuralEnergy"]


def __getattr__(name):
    """`NeuralEnergy`, with torch."""
    if name != "NeuralEnergy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .energy import NeuralEnergy

    return NeuralEnergy
