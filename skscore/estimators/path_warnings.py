"""A penalty chosen at the end of its path may not be the best there is."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = ["warn_at_the_edge"]


def warn_at_the_edge(place, alphas, is_whole):
    """Warn where the chosen penalty is the last on its grid.

    Parameters
    ----------
    place : int
    alphas : ndarray of shape (L,)
        Descending.
    is_whole : bool
        Whether the grid begins where no edge is left, beyond which nothing changes.
    """
    if len(alphas) == 1 or (place == 0 and is_whole) or 0 < place < len(alphas) - 1:
        return
    end, remedy = ("greatest", "larger") if place == 0 else ("least", "smaller")
    warnings.warn(
        f"the chosen alpha {alphas[place]:.3g} is the {end} of those tried; give {remedy} ones in alphas.",
        ConvergenceWarning,
        stacklevel=8,
    )
