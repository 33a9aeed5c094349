"""New axes, names of columns and what keeps them apart in a figure; no other file imports matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["column_names", "fitted_to", "new_axes", "new_grid", "size_in_points", "spread"]


def new_axes(width: float = 6.4, height: float = 4.8) -> Axes:
    """Return the axes of a new figure, of that size in inches, whose texts are never cut."""
    return new_grid(1, width, height)[0, 0]


def new_grid(p: int, width: float, height: float) -> ndarray:
    """Return the axes of a new figure, shape (p, p)."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("skscore.plotting needs matplotlib: pip install 'skscore[plot]'.") from None
    return plt.subplots(p, p, squeeze=False, figsize=(width, height), layout="constrained")[1]


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return the width and height of axes, as far as they are known before they are drawn."""
    box, inch = ax.get_window_extent(), ax.figure.dpi
    return box.width * 72.0 / inch, box.height * 72.0 / inch


def column_names(estimator: Any, X: Any) -> list[str]:
    """Return the column names of a frame, or those of the fitted estimator, or x0, x1, ..."""
    named = getattr(X, "columns", getattr(estimator, "feature_names_in_", None))
    width = np.shape(X)[1]
    return [str(name) for name in named] if named is not None else [f"x{j}" for j in range(width)]


def fitted_to(text: str, width: int, lines: int = 1) -> str:
    r"""Return a name on so many lines of so many letters at most; what is too long loses its middle.

    Names that differ only at their ends, as those of numbered columns do, stay distinct.

    Examples
    --------
    >>> from skscore.plotting.canvas import fitted_to
    >>> fitted_to("concentration of column 17", 12)
    'concen…mn 17'
    >>> fitted_to("total_phenols_per_litre", 14, lines=2)
    'total_phenols_\nper_litre'
    """
    room = width * lines
    if len(text) > room:
        head = room // 2
        text = text[:head] + "…" + text[head + 1 - room :]
    broken: list[str] = []
    while len(text) > width:
        rest = room - width * (len(broken) + 1)  # letters that later lines have room for
        at = next((k for k in range(width, len(text) - rest - 1, -1) if k and text[k - 1] in " _-"), width)
        broken.append(text[:at].rstrip(" "))
        text = text[at:]
    return "\n".join([*broken, text])


def spread(at: ArrayLike, gap: float) -> ndarray:
    """Return the places nearest to `at`, by least squares and in the same order, that are at least `gap` apart.

    With the places in order, k·gap less than the k-th must not fall with k: isotonic regression finds them.

    Examples
    --------
    >>> from skscore.plotting.canvas import spread
    >>> spread([0.0, 5.0, 0.2], gap=1.0)
    array([-0.4,  5. ,  0.6])
    """
    values = np.asarray(at, dtype=np.float64)
    order, steps = np.argsort(values, kind="stable"), gap * np.arange(len(values))
    apart = np.empty_like(values)
    apart[order] = isotonic_regression(values[order] - steps) + steps if len(values) else values
    return apart
