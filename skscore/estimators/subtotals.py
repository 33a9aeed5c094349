"""The partial sums of a stream of blocks in a file, from which it goes on after the death of its process.

The file is one of :mod:`skscore.neural.sealed`. It has the key of the plan, which names the parameters behind the
statistics and the first rows; the number of blocks seen; and the sums of the moments and quadratic forms of these, by
which a plan makes statistics again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..fitting.row_form import RowForm
from ..formulas.moments import Moments
from ..formulas.quadratic import QuadraticForm
from ..neural.progress_file import LEFT, ProgressFile
from ..neural.writing import remove_abandoned
from ..persistence.record_bytes import from_bytes, to_bytes
from .fold_statistics import FoldStatistics

__all__ = ["Subtotals"]

FORMAT = 1
SECONDS = 10.0  # between two saves, at least
RECORDS = (Moments, QuadraticForm, RowForm)


class Subtotals:
    """A file that holds the partial sums of a stream in progress; what it holds already is read at once.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ValueError
        If there is a file that is damaged, or something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise ValueError(f"checkpoint={path!r} is no path: give that of a file, or None.")
        self.file, self.saved_at = ProgressFile(path, Path(path), "subtotal", FORMAT), time.monotonic()
        self.found = self._read()

    def resumed(self, plan):
        """Number of blocks seen, and their partial sums (rank, statistics); the file is there from now on.

        Parameters
        ----------
        plan : Plan or another with its ``key`` and ``statistics``

        Returns
        -------
        n_blocks : int
        sums : list of (int, statistics)
        """
        remove_abandoned(self.file.place)
        if self.found is None:
            self._write(plan, 0, [])
            return 0, []
        key, n_blocks, sums = self.found
        if key != plan.key:
            raise ValueError(
                f"{self.file.name} belongs to other first rows, or to an estimator with other parameters, among them a "
                f"random_state that is no integer. {LEFT}"
            )
        try:
            return n_blocks, [(rank, _statistics(plan, records)) for rank, records in sums]
        except Exception as error:  # a file made by hand may hold anything
            raise self.file.refused(f"holds no sums of this estimator ({error!r})") from None

    def keep(self, plan, n_blocks, sums):
        """Save what has come since the last time, if it is time."""
        if time.monotonic() - self.saved_at >= SECONDS:
            self._write(plan, n_blocks, sums)

    def remove(self):
        """Forget a stream that has ended; return a remark if its file cannot be removed."""
        return self.file.remove()

    # ---- the file --------------------------------------------------------------------------------

    def _write(self, plan, n_blocks, sums):
        tree = [n_blocks, [[rank, statistics.records] for rank, statistics in sums]]
        try:
            content = to_bytes(tree, RECORDS)
        except ValueError as error:
            name = self.file.name
            raise ValueError(f"{name} is for statistics of numpy arrays: {error}. Set checkpoint=None.") from None
        self.file.write(f"{plan.key}\n".encode() + content)
        self.saved_at = time.monotonic()

    def _read(self):
        """Key, number of blocks and partial sums in the file; None if there is none."""
        content = self.file.read("is no file")
        if content is None:
            return None
        key, _, tree = content.partition(b"\n")
        try:
            n_blocks, sums = from_bytes(tree, RECORDS)
            if type(n_blocks) is not int or n_blocks < 0:
                raise ValueError(f"{n_blocks!r} blocks")
            return key.decode(), n_blocks, sums
        except Exception as error:  # a file made by hand may hold anything
            raise self.file.refused(f"is damaged ({error!r})") from None


def _statistics(plan, records):
    """Statistics under a plan of what the records tell, those of several folds if each of them has its own."""
    if records and all(fold is None or isinstance(fold, list) for fold in records):
        return FoldStatistics(tuple(None if fold is None else plan.statistics(fold) for fold in records))
    return plan.statistics(records)
