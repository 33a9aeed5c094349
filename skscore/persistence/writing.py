"""A file that is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

__all__ = ["written_whole"]


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a binary file to write, which takes the place of `path` once it is complete and on the disk.

    If writing fails, what was at `path` is left as it was. A device or a pipe is written as it is.

    Parameters
    ----------
    path : str or path

    Yields
    ------
    binary file

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skscore.persistence.writing import written_whole
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
    beside = place.with_name(f"{place.name}.{token_hex(4)}.part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
