"""Records of numbers as bytes: one line of JSON, and the numbers of their arrays one after the other.

The line has the name and the fields of each record, and each array as its type, its shape and its order of memory,
which decides the last bits of products with it; the arrays lie behind it in the order in which the line names them.
Nothing is pickled, nothing is compressed, and only records of given classes are made, so that reading runs no code and
takes no more memory than a small multiple of the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from math import prod
from typing import Any, Literal

import numpy as np

__all__ = ["from_bytes", "to_bytes"]

DTYPES = ("float64", "float32")
Order = Literal["C", "F"]


def to_bytes(tree: Any, classes: Sequence[type]) -> bytes:
    """Bytes of a tree of lists, records, arrays, numbers and None; tuples become lists.

    Parameters
    ----------
    tree : list, dataclass, ndarray, float, int or None
        Arrays are of real numbers in single or double precision.
    classes : sequence of type
        Those of the records: dataclasses whose fields are such trees.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If a part of the tree is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.persistence.record_bytes import from_bytes, to_bytes
    >>> form = QuadraticForm(np.eye(1), np.zeros(1), 0.5, 3.0)
    >>> content = to_bytes([form, None], [QuadraticForm])
    >>> from_bytes(content, [QuadraticForm])
    [QuadraticForm(Gamma=array([[1.]]), g=array([0.]), c=0.5, n=3.0), None]
    """
    numbers: list[bytes] = []
    line = json.dumps(_encoded(tree, {kind.__name__ for kind in classes}, numbers))
    return b"".join((line.encode(), b"\n", *numbers))


def _encoded(part, names, numbers):
    """What JSON knows of a part; the bytes of its arrays are added to `numbers`."""
    if isinstance(part, list | tuple):
        return [_encoded(value, names, numbers) for value in part]
    if part is None or isinstance(part, int):
        return part
    if isinstance(part, float):
        return float(part)
    if (name := type(part).__name__) in names:
        own = {field.name: _encoded(getattr(part, field.name), names, numbers) for field in fields(part)}
        return {"record": [name, own]}
    if not isinstance(part, np.ndarray) or part.dtype.name not in DTYPES:
        raise ValueError(f"{name} is no array of real numbers")
    order: Order = "F" if part.flags.f_contiguous and not part.flags.c_contiguous else "C"
    numbers.append(part.astype(part.dtype.newbyteorder("<")).tobytes(order))
    return {"array": [part.dtype.name, list(part.shape), order]}


def from_bytes(content: bytes, classes: Sequence[type]) -> Any:
    """Return the tree whose bytes these are; any Exception if they are of none."""
    line, _, numbers = content.partition(b"\n")
    left = memoryview(numbers)
    by_name = {kind.__name__: kind for kind in classes}

    def decoded(part):
        nonlocal left
        if isinstance(part, list):
            return [decoded(value) for value in part]
        if not isinstance(part, dict):
            return part
        if "record" in part:
            name, own = part["record"]
            return by_name[name](**{key: decoded(value) for key, value in own.items()})
        name, shape, order = part["array"]
        array, left = _array(name, shape, order, left)
        return array

    tree = decoded(json.loads(line))
    if len(left):
        raise ValueError(f"{len(left)} bytes belong to no array")
    return tree


def _array(name, shape, order, numbers):
    """The array whose bytes come first, and those behind it."""
    if name not in DTYPES or order not in ("C", "F") or not all(type(k) is int and k >= 0 for k in shape):
        raise ValueError(f"{name}, {shape}, {order} is no array of real numbers")
    dtype = np.dtype(name).newbyteorder("<")
    end = prod(shape) * dtype.itemsize
    if end > len(numbers):
        raise ValueError("an array is longer than the file")
    values = np.frombuffer(numbers[:end], dtype=dtype).astype(name)
    return values.reshape(shape, order=order), numbers[end:]
