"""Warnings at the user's line."""

from __future__ import annotations

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = ["warn_user"]

INSIDE = {"skscore", "sklearn", "joblib"}


def warn_user(message, category=ConvergenceWarning):
    """Warn at the line outside skscore, scikit-learn and joblib that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
