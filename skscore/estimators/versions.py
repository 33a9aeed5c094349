"""What an estimator says of the version that fitted it, in pickles, copies and files.

scikit-learn's own estimators do so by ``_sklearn_version``. Here the state holds ``_skscore_version`` and the format of
a fit, which is raised whenever an estimator keeps other things of its fit than before. A fit of another version is read
with a warning that tells both; one of another format is refused.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from .. import __version__
from .checks import warn_user

__all__ = ["FORMAT", "VersionedEstimator"]

FORMAT = 1


class VersionedEstimator(BaseEstimator):
    """Estimator whose state tells the version of skscore that fitted it."""

    def __getstate__(self):
        """The state, with the version and the format of the fit."""
        return {**super().__getstate__(), "_skscore_version": __version__, "_skscore_format": FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state over, with a warning if it is of another version; a ValueError if of another format."""
        state = dict(state)
        version, number = state.pop("_skscore_version", "0.0"), state.pop("_skscore_format", FORMAT)
        name = f"skscore.{type(self).__name__}"
        if number != FORMAT:
            raise ValueError(
                f"{name} of skscore {version} holds a fit in format {number}, but skscore {__version__} reads format "
                f"{FORMAT}: load it with skscore {version}, or fit it again with this one."
            )
        if version != __version__:
            known = {"current_sklearn_version": __version__, "original_sklearn_version": version}
            warn_user(InconsistentVersionWarning(estimator_name=name, **known), InconsistentVersionWarning)
        super().__setstate__(state)
