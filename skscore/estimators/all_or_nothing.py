"""A fit that fails or is interrupted changes nothing: the estimator stays as it was, and what it needs to go on."""

from __future__ import annotations

from functools import wraps

from ..neural.kept_files import kept_to_the_end
from .checks import warn_of

__all__ = ["all_or_nothing"]


def all_or_nothing(fit):
    """Return the method `fit`, which undoes what it has set on its estimator if it does not come to its end.

    Attributes are put back as they were; so `fit` sets them anew, and changes none of them in place. Checkpoints of its
    trainings stay until it has come to its end.
    """

    @wraps(fit)
    def fit_or_undo(self, *args, **kwargs):
        before = dict(vars(self))
        try:
            with kept_to_the_end() as remarks:
                result = fit(self, *args, **kwargs)
        except BaseException:  # an interrupt from the keyboard is none of Exception
            vars(self).clear()
            vars(self).update(before)
            raise
        warn_of(remarks)
        return result

    return fit_or_undo
