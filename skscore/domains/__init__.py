"""Supports of a density, and weights that are zero on the boundary of a support."""

from .ball import Ball
from .box import Box, Intervals, Orthant
from .column_weights import Capped, Normalised
from .polytope import Halfspaces
from .reals import DomainMap, Reals
from .simplex import Simplex
from .weights import (
    MCP,
    SCAD,
    Arcsinh,
    BoundaryWeight,
    Cosh,
    Expm1,
    LogPower,
    Power,
    Sinh,
    Softplus,
    Tanh,
    TruncatedSine,
    TruncatedTangent,
)

DOMAINS = (Reals, Orthant, Box, Ball, Simplex, Intervals, Halfspaces)

__all__ = [
    "DOMAINS",
    "MCP",
    "SCAD",
    "Arcsinh",
    "Ball",
    "BoundaryWeight",
    "Box",
    "Capped",
    "Cosh",
    "DomainMap",
    "Expm1",
    "Halfspaces",
    "Intervals",
    "LogPower",
    "Normalised",
    "Orthant",
    "Power",
    "Reals",
    "Simplex",
    "Sinh",
    "Softplus",
    "Tanh",
    "TruncatedSine",
    "TruncatedTangent",
]
