"""Files of skscore: one line of text, and all that it vouches for.

.. code-block:: none

    skscore model 1 by 0.1.0 sha256 9f86d081884c7d65...
    ...

The line has the kind of the file and its format, the version of skscore that wrote it, and the SHA-256 of all that
follows, without which a flipped bit would be another number and nobody would know (FIPS 180-4).

References
----------
National Institute of Standards and Technology (2015). Secure Hash Standard. FIPS PUB 180-4.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256

from .. import __version__

__all__ = ["LONGEST_HEAD", "head_of", "read_sealed"]

HEAD = re.compile(rb"skscore ([a-z]{1,20}) (\d{1,9}) by ([\w.+!-]{1,99}) sha256 ([0-9a-f]{64})\n")
LONGEST_HEAD = 256  # bytes


def head_of(kind: str, number: int, content: bytes) -> bytes:
    """Return the first line of a file of this kind, in the format of this number.

    Examples
    --------
    >>> from skscore.neural.sealed import head_of
    >>> head_of("model", 1, b"all of it")
    b'skscore model 1 by ... sha256 ...'
    """
    return f"skscore {kind} {number} by {__version__} sha256 {sha256(content).hexdigest()}\n".encode()


def read_sealed(path: str | os.PathLike[str], kind: str, number: int) -> bytes:
    """Return what follows the first line of a file, if that is of this kind and format and vouches for the rest.

    Parameters
    ----------
    path : str or path
    kind : str
        What the file is, in a word.
    number : int
        Of the format that is read.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        That says what the file is instead, in words that follow its name.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skscore.neural.sealed import head_of, read_sealed
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "file"
    >>> _ = path.write_bytes(head_of("model", 1, b"all of it") + b"all of it")
    >>> read_sealed(path, "model", 1)
    b'all of it'
    >>> read_sealed(path, "checkpoint", 1)
    Traceback (most recent call last):
    ...
    ValueError: is no checkpoint that skscore wrote
    """
    with open(path, "rb") as file:
        head = HEAD.fullmatch(file.readline(LONGEST_HEAD))
        if head is None or head[1].decode() != kind:
            raise ValueError(f"is no {kind} that skscore wrote")
        found, version = int(head[2]), head[3].decode("ascii", "replace")
        if found != number:
            raise ValueError(
                f"is a {kind} of skscore {version} in format {found}, but skscore {__version__} reads format {number}: "
                f"read it with skscore {version}, or make it anew"
            )
        content = file.read()
    if sha256(content).hexdigest() != head[4].decode():
        raise ValueError("is damaged: its content has another checksum than it says")
    return content
