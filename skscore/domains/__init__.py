"""What a row may be: supports of a density, and the weights that vanish on their boundaries."""

from .ball import Ball
from .box import Box, Intervals, Orthant
from .concave_weights import MCP, SCAD
from .elementary_weights import (
    Arcsinh,
    Cosh,
    Expm1,
    Identity,
    LogPower,
    Power,
    Sinh,
    Softplus,
    Tanh,
    TruncatedSine,
    TruncatedTangent,
)
from .polytope import Halfspaces
from .reals import Chart, Reals
from .simplex import Simplex
from .weights import Capped, MinPower, Normalised

DOMAINS = (Reals, Orthant, Box, Ball, Simplex, Intervals, Halfspaces)

__all__ = [
    "DOMAINS",
    "MCP",
    "SCAD",
    "Arcsinh",
    "Ball",
    "Box",
    "Capped",
    "Chart",
    "Cosh",
    "Expm1",
    "Halfspaces",
    "Identity",
    "Intervals",
    "LogPower",
    "MinPower",
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
