"""The one door to matplotlib, and the names that stand at a picture's axes and nodes."""

from __future__ import annotations

import numpy as np

__all__ = ["column_names", "new_axes"]


def new_axes():
    """Axes of a new figure."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("skscore.plotting needs matplotlib: pip install 'skscore[plot]'.") from error
    return plt.subplots()[1]


def column_names(estimator, X):
    """Column names of a frame, of the fitted estimator, or x0, x1, ..."""
    named = getattr(X, "columns", getattr(estimator, "feature_names_in_", None))
    width = np.shape(X)[1]
    return [str(name) for name in named] if named is not None else [f"x{j}" for j in range(width)]
