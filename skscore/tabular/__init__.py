"""Tables as they are: what fit learns of a frame of named columns, and densities of its rows."""

from .tabular_density import TabularDensity

__all__ = ["TabularDensity"]
