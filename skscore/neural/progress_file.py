"""The file in which work in progress is kept, as users name it by `checkpoint`, and what they are told of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .sealed import head_of, read_sealed
from .writing import remove_abandoned, written_whole

__all__ = ["LEFT", "ProgressFile"]

LEFT = "It was left as it is; give another path, or delete it."


@dataclass(frozen=True)
class ProgressFile:
    """A sealed file, of :mod:`skscore.neural.sealed`.

    Parameters
    ----------
    given : str or path
        As the user gave it.
    place : Path
        Where it is.
    kind : str
    number : int
        What it is, and in which format.
    """

    given: str | os.PathLike[str]
    place: Path
    kind: str
    number: int

    def read(self, otherwise: str) -> bytes | None:
        """Its content, None if there is no file; a ValueError says what is wrong with it, `otherwise` if it is none."""
        try:
            if not self.place.exists():
                return None
            if not self.place.is_file():  # reading of a device or a pipe may never end
                raise ValueError(otherwise)
            return read_sealed(self.place, self.kind, self.number)
        except OSError as error:
            raise self._unusable("read", error) from None
        except ValueError as error:
            raise self.refused(error) from None

    def write(self, content: bytes, replaces: Callable[[], bool] = lambda: True) -> None:
        """Write it whole; a FileExistsError if one is there that it does not replace."""
        try:
            with written_whole(self.place, replaces=replaces()) as file:
                file.write(head_of(self.kind, self.number, content))
                file.write(content)
        except FileExistsError:
            raise
        except OSError as error:
            raise self._unusable("written", error) from None

    def remove(self, is_own: Callable[[], bool] = lambda: True) -> str | None:
        """Remove it at the end of the work, if it is its own; return a remark if that cannot be done."""
        try:
            if is_own():
                self.place.unlink(missing_ok=True)
                remove_abandoned(self.place)
        except OSError as error:
            return f"{self.name} cannot be removed: {error.strerror}. The fit has ended; delete the file yourself."
        return None

    # ---- what is said ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"checkpoint={os.fspath(self.given)!r}"

    def refused(self, why: object) -> ValueError:
        """The error that it is not what it has to be."""
        return ValueError(f"{self.name} {' '.join(str(why).split())}. {LEFT}")

    def _unusable(self, verb, error):
        remedy = "Give a path in a folder that is there, and that you may read and write."
        return ValueError(f"{self.name} cannot be {verb}: {error.strerror or error}. {remedy}")
