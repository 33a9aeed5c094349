"""New axes, and the names of columns in a figure; no other file imports matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["column_names", "new_axes"]


def new_axes(**options: Any) -> Axes:
    """Return the axes of a new figure, with the options of ``plt.subplots``."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("skscore.plotting needs matplotlib: pip install 'skscore[plot]'.") from None
    return plt.subplots(**options)[1]


def column_names(estimator: Any, X: Any) -> list[str]:
    """Return the column names of a frame, or those of the fitted estimator, or x0, x1, ..."""
    named = getattr(X, "columns", getattr(estimator, "feature_names_in_", None))
    width = np.shape(X)[1]
    return [str(name) for name in named] if named is not None else [f"x{j}" for j in range(width)]
