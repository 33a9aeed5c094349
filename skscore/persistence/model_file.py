"""Fitted estimators in files: the line of :mod:`skscore.neural.sealed`, and an archive of skops.

The format is that of :mod:`skscore.estimators.versions`, which the estimators in the file tell, too: it is raised
whenever an estimator keeps other things of its fit than before. Nothing is ever pickled, and loading runs no code that
the file brings; :mod:`skscore.persistence.archive` says what it may hold. skops reads the file too.
"""

from __future__ import annotations

import os
from typing import Any

from sklearn.base import BaseEstimator

from ..estimators.versions import FORMAT
from ..neural.sealed import head_of, read_sealed
from ..neural.writing import written_whole
from .archive import trusted_types

__all__ = ["load", "save"]


def save(estimator: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Save an estimator, or a pipeline that ends with one, to a file.

    The file is complete or it is not there: if writing fails, what was at `path` before is left as it was.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; of skscore, or of scikit-learn around one.
    path : str or path
        By habit it ends in ``.skops``.

    Raises
    ------
    ValueError
        If the estimator holds what could not be loaded without trust in other code, such as a function of your own.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : The estimator in a file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklearn.datasets import load_iris
    >>> import skscore
    >>> X = load_iris().data
    >>> density = skscore.ScoreMatchingDensity().fit(X)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "iris.skops"
    >>> skscore.save(density, path)
    >>> bool((skscore.load(path).score_samples(X) == density.score_samples(X)).all())
    True
    """
    io = _skops()
    if not isinstance(estimator, BaseEstimator):
        raise ValueError(
            f"estimator is a {type(estimator).__name__}: give an estimator, or a pipeline that ends in one."
        )
    remedy = "Take that out of its parameters before you save it."
    try:
        archive = io.dumps(estimator)
        trusted_types(archive)
    except Exception as error:  # skops raises what the part raises that it cannot write
        raise ValueError(f"This {type(estimator).__name__} cannot be saved: {_line(error)}. {remedy}") from None
    with written_whole(path) as file:
        file.write(head_of("model", FORMAT, archive))
        file.write(archive)


def load(path: str | os.PathLike[str]) -> Any:
    """Load an estimator from a file that :func:`save` wrote.

    Nothing of the file is run. What its numbers say is not checked: a file made with intent can hold a wrong model.

    Parameters
    ----------
    path : str or path
        Of the file.

    Returns
    -------
    estimator
        As it was saved: its parameters, its fit, and where its random numbers stood.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by :func:`save` or by a newer version, or holds other types than those
        of skscore, numpy and scikit-learn.
    OSError
        If the file cannot be read.
    ImportError
        If skops is not installed.

    See Also
    --------
    save : Write such a file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import skscore
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "density.skops"
    >>> skscore.save(skscore.ScoreMatchingDensity("polynomial"), path)
    >>> skscore.load(path)
    ScoreMatchingDensity(model='polynomial')
    """
    io, name = _skops(), os.fspath(path)
    try:
        archive = read_sealed(name, "model", FORMAT)
    except ValueError as error:
        raise ValueError(
            f"{name} {error}. Give a file that skscore.save wrote; pickles are not read, since they can run any code."
        ) from None
    try:
        estimator = io.loads(archive, trusted=trusted_types(archive))
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise
        raise _refused(name, _line(error)) from None
    except Exception as error:  # a file made by hand may raise anything at all while it is put together
        raise _refused(name, _line(error)) from None
    if not isinstance(estimator, BaseEstimator):
        raise _refused(name, "it holds no estimator")
    return estimator


def _refused(name, why):
    return ValueError(f"{name} is refused: {why}. Load only what skscore.save wrote.")


def _line(error):
    """What an error says, in one line without a full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _skops():
    try:
        import skops.io
    except ImportError as error:
        raise ModuleNotFoundError(
            f"models are saved and loaded by skops, which is not installed, or damaged ({error}): "
            "pip install 'skscore[cli]'.",
            name="skops",
        ) from None
    return skops.io
