"""A symmetric matrix of columns as a map of colours, with as many names as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from .canvas import fitted_to, new_axes, size_in_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_heat_map", "heat_map_axes"]

INCHES_OF_A_CELL, MOST_CELLS = 0.2, 60  # of a new figure; cells are smaller if there are more
FONT_SIZE, LINE = 7.0, 10.0  # points; of a name and of its line
ROOM = 0.8  # share of the height that names and the colour bar leave to the cells


def heat_map_axes(p: int) -> Axes:
    """Return new axes for a map of p columns."""
    side = INCHES_OF_A_CELL * min(p, MOST_CELLS)
    return new_axes(side + 3.2, side + 1.8)


def draw_heat_map(ax: Axes, matrix: ndarray, names: list[str], unit: str, **kwargs: Any) -> Any:
    """Draw entries in blue if they are positive and in red if negative, white if zero; return the image."""
    top = max(float(np.abs(matrix).max()), np.finfo(float).tiny)
    options: dict[str, Any] = {"cmap": "RdBu", "vmin": -top, "vmax": top} | kwargs
    image = ax.imshow(matrix, **options)
    every = int(np.ceil(LINE * len(names) / (ROOM * size_in_points(ax)[1])))
    shown = range(0, len(names), every)
    labels = [fitted_to(names[j], 24) for j in shown]
    ax.set_xticks(shown, labels, rotation=90, fontsize=FONT_SIZE)
    ax.set_yticks(shown, labels, fontsize=FONT_SIZE)
    ax.figure.colorbar(image, ax=ax, label=unit, shrink=0.8)
    return image
