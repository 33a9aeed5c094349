"""A tree of values and arrays as bytes: one line of JSON, and the numbers of its arrays one after the other.

The line describes each array, as files of safetensors do; the arrays lie behind it in the order in which the line names
them. So nothing is pickled and nothing compressed, no two arrays share a place, and what is read takes no more memory
than a small multiple of the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from typing import Any

__all__ = ["Numbers", "from_bytes", "to_bytes"]


class Numbers:
    """The bytes of arrays, which are taken one after the other.

    Parameters
    ----------
    content : bytes
    """

    def __init__(self, content: bytes) -> None:
        self.left = memoryview(content)

    def take(self, shape: list[int], itemsize: int) -> memoryview:
        """Take the bytes of an array of this shape; a ValueError if it is no shape, or there are not so many."""
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"{shape} is no shape")
        end = prod(shape) * itemsize
        if end > len(self.left):
            raise ValueError("an array is longer than the file")
        taken, self.left = self.left[:end], self.left[end:]
        return taken


def to_bytes(tree: Any, encoded: Callable[[Any, Callable[[bytes], None]], Any]) -> bytes:
    """Bytes of a tree.

    Parameters
    ----------
    tree : object
    encoded : callable
        Returns what JSON knows of a tree, and gives the bytes of its arrays to its second argument.

    Returns
    -------
    bytes
    """
    numbers: list[bytes] = []
    line = json.dumps(encoded(tree, numbers.append))
    return b"".join((line.encode(), b"\n", *numbers))


def from_bytes(content: bytes, decoded: Callable[[Any, Numbers], Any]) -> Any:
    """Return the tree whose bytes these are; any Exception if they are of none.

    Parameters
    ----------
    content : bytes
    decoded : callable
        Returns the tree of what JSON knows of it, with arrays of the numbers that it takes.

    Returns
    -------
    object
    """
    line, _, rest = content.partition(b"\n")
    numbers = Numbers(rest)
    tree = decoded(json.loads(line), numbers)
    if len(numbers.left):
        raise ValueError(f"{len(numbers.left)} bytes belong to no array")
    return tree
