"""A file that is written whole or not at all."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

__all__ = ["remove_abandoned", "written_whole"]

ABANDONED = 600.0  # seconds without a byte, after which the process that was writing is dead
TOKEN = "[0-9a-f]" * 16


@contextmanager
def written_whole(path: str | os.PathLike[str], replaces: bool = True) -> Iterator[BinaryIO]:
    """Give a binary file to write, which takes the place of `path` once it is complete and on the disk.

    If writing fails, what was at `path` is left as it was. A device or a pipe is written as it is.

    Parameters
    ----------
    path : str or path
    replaces : bool, default=True
        Whether it may take the place of another file, or raises a FileExistsError if there is one in the end.

    Yields
    ------
    binary file

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skscore.neural.writing import written_whole
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers"
    >>> with written_whole(path) as file:
    ...     _ = file.write(b"1 2 3")
    >>> path.read_bytes()
    b'1 2 3'
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        with place.open("wb") as file:
            yield file
        return
    beside = place.with_name(f"{place.name}.{token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replaces:
            beside.replace(place)
        else:
            _take(place, beside)
    finally:
        beside.unlink(missing_ok=True)


def _take(place, beside):
    """Put a file where none is, in one step if the file system has links."""
    try:
        place.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:
        if place.exists():
            raise FileExistsError(f"{place} is there") from None
        beside.replace(place)


def remove_abandoned(path: str | os.PathLike[str]) -> None:
    """Remove what processes have left beside `path` that died while they were writing it.

    Parameters
    ----------
    path : str or path

    Examples
    --------
    >>> import os, tempfile, pathlib
    >>> from skscore.neural.writing import remove_abandoned
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for part in ("numbers.0123456789abcdef.part", "numbers.fedcba9876543210.part"):
    ...     _ = (folder / part).write_bytes(b"1 2")
    >>> os.utime(folder / part, (0, 0))
    >>> remove_abandoned(folder / "numbers")
    >>> [file.name for file in folder.iterdir()]
    ['numbers.0123456789abcdef.part']
    """
    place = Path(os.path.realpath(path))
    for beside in place.parent.glob(f"{glob.escape(place.name)}.{TOKEN}.part"):
        with suppress(OSError):  # another process removes it too
            if beside.stat().st_mtime < time.time() - ABANDONED:
                beside.unlink()
