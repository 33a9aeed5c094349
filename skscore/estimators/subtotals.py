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
from ..neural.sealed import head_of, read_sealed
from ..neural.writing import remove_abandoned, written_whole
from ..persistence.record_bytes import from_bytes, to_bytes
from .fold_statistics import FoldStatistics

__all__ = ["Subtotals"]

FORMAT = 1
SECONDS = 10.0  # between two saves, at least
RECORDS = (Moments, QuadraticForm, RowForm)
LEFT = "It was left as it is: give another path, or delete it."


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
        self.path, self.saved_at = Path(path), time.monotonic()
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
        remove_abandoned(self.path)
        if self.found is None:
            self._write(plan, 0, [])
            return 0, []
        key, n_blocks, sums = self.found
        if key != plan.key:
            raise ValueError(
                f"{self._name} belongs to other first rows, or to an estimator with other parameters, among them a "
                f"random_state that is no integer. {LEFT}"
            )
        try:
            return n_blocks, [(rank, _statistics(plan, records)) for rank, records in sums]
        except Exception as error:  # a file made by hand may hold anything
            raise self._refused(f"holds no sums of this estimator ({error!r})") from None

    def keep(self, plan, n_blocks, sums):
        """Save what has come since the last time, if it is time."""
        if time.monotonic() - self.saved_at >= SECONDS:
            self._write(plan, n_blocks, sums)

    def remove(self):
        """Forget a stream that has ended; return a remark if its file cannot be removed."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            return f"{self._name} cannot be removed: {error.strerror}. The fit has ended; delete the file yourself."
        return None

    # ---- the file --------------------------------------------------------------------------------

    def _write(self, plan, n_blocks, sums):
        tree = [n_blocks, [[rank, statistics.records] for rank, statistics in sums]]
        try:
            content = f"{plan.key}\n".encode() + to_bytes(tree, RECORDS)
            with written_whole(self.path) as file:
                file.write(head_of("subtotal", FORMAT, content))
                file.write(content)
        except OSError as error:
            raise self._unusable("written", error) from None
        except ValueError as error:
            raise ValueError(f"{self._name} is for statistics of numpy arrays: {error}. Set checkpoint=None.") from None
        self.saved_at = time.monotonic()

    def _read(self):
        """Key, number of blocks and partial sums in the file; None if there is none."""
        try:
            if not self.path.exists():
                return None
            if not self.path.is_file():  # reading of a device or a pipe may never end
                raise ValueError("is no file")
            content = read_sealed(self.path, "subtotal", FORMAT)
        except OSError as error:
            raise self._unusable("read", error) from None
        except ValueError as error:
            raise self._refused(error) from None
        key, _, tree = content.partition(b"\n")
        try:
            n_blocks, sums = from_bytes(tree, RECORDS)
            if type(n_blocks) is not int or n_blocks < 0:
                raise ValueError(f"{n_blocks!r} blocks")
            return key.decode(), n_blocks, sums
        except Exception as error:  # as above
            raise self._refused(f"is damaged ({error!r})") from None

    # ---- what is said ----------------------------------------------------------------------------

    @property
    def _name(self):
        return f"checkpoint={os.fspath(self.path)!r}"

    def _refused(self, why):
        return ValueError(f"{self._name} {' '.join(str(why).split())}. {LEFT}")

    def _unusable(self, verb, error):
        remedy = "Give a path in a folder that is there, and that you may read and write."
        return ValueError(f"{self._name} cannot be {verb}: {error.strerror or error}. {remedy}")


def _statistics(plan, records):
    """Statistics under a plan of what the records tell, those of several folds if each of them has its own."""
    if records and all(fold is None or isinstance(fold, list) for fold in records):
        return FoldStatistics(tuple(None if fold is None else plan.statistics(fold) for fold in records))
    return plan.statistics(records)
