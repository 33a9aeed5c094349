"""Levels drawn by their weights."""

from __future__ import annotations

import numpy as np

from ..._kernels.cumulated import passing_places

__all__ = ["draw_level"]


def draw_level(log_w, uniform, rows=None):
    """The level whose cumulated weight is the first above a share of all, shape (n,).

    Parameters
    ----------
    log_w : ndarray of shape (k, m)
        Logarithms of weights, up to a constant in each row.
    uniform : ndarray of shape (n,)
        The shares, from 0 to 1.
    rows : ndarray of int, shape (n,), optional
        Whose weights they are; by default each has its own, and n is k.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.discrete.level_draws import draw_level
    >>> draw_level(np.log([[0.5, 0.5], [0.1, 0.9]]), np.array([0.4, 0.4]))
    array([0, 1])
    """
    cumulated = np.cumsum(np.exp(log_w - log_w.max(axis=1, keepdims=True)), axis=1)
    return passing_places(cumulated, np.arange(len(log_w)) if rows is None else rows, uniform)
