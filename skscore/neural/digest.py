"""What values are, in 64 letters that are the same in every process.

Values that mean the same have one digest: numbers by their value and in any type, arrays, frames and lists of them in
any order of memory and any precision that holds them, a list as a tuple. A function is what it does: its compiled
code, the values of its defaults, of its closure and of what it reads of its own module. A class is its name, and its
functions; an object its class, and what its pickle would hold, so that no address is among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copyreg import dispatch_table
from hashlib import sha256
from numbers import Number
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

__all__ = ["digest"]

BLOCK = 2**20  # numbers that are converted at a time


def digest(*values: Any, without: frozenset[str] = frozenset()) -> str:
    """Return 64 letters that tell these values from others.

    Parameters
    ----------
    *values : object
        Parameters, arrays, functions, estimators.
    without : frozenset of str
        Names of parameters of estimators that do not count.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a value cannot be described.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.neural.digest import digest
    >>> digest([8], np.eye(2)) == digest((8,), np.eye(2, dtype=np.float32, order="F"))
    True
    >>> digest(lambda sigma: sigma) == digest(lambda sigma: sigma**2)
    False
    """
    return sha256(repr(_described(values, without, ())).encode()).hexdigest()


def _described(value, without, above):
    """Nested tuples of text; `above` are the values that this one is a part of."""
    if any(value is whole for whole in above):
        return "itself"
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, ModuleType):
        return value.__name__
    if value is None or isinstance(value, str | bytes):
        return repr(value)
    if isinstance(value, Number):
        return _of_number(value)
    numbers = _as_numbers(value)
    if numbers is not None:
        return "numbers", numbers.shape, _of_numbers(numbers)

    def parts(values):
        return tuple(_described(part, without, (*above, value)) for part in values)

    if isinstance(value, list | tuple):
        return "list", parts(value)
    if isinstance(value, set | frozenset):
        return "set", sorted(map(repr, parts(value)))
    if isinstance(value, Mapping):
        return "dict", sorted(map(repr, map(parts, value.items())))
    if isinstance(value, type):
        return "class", _name(value), parts([_functions(value), _of_its_module(value.__bases__, value.__module__)])
    if isinstance(value, FunctionType):
        return "function", parts([_code(value.__code__), value.__defaults__, value.__kwdefaults__, _reads(value)])
    if hasattr(value, "get_params"):
        return "estimator", _name(type(value)), _parameters(value, without, above)
    return "object", parts(_pickled(value))


# ---- numbers -------------------------------------------------------------------------------------


def _of_number(value):
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return repr(int(value)) if is_whole else repr(value)


def _as_numbers(value):
    """A table, an array or a sequence of numbers as an array, None if it is none."""
    if isinstance(value, type) or not (isinstance(value, list | tuple) or hasattr(value, "__array__")):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # a list of arrays of several shapes
        return None
    return array if array.dtype.kind in "biuf" and array.ndim else None


def _of_numbers(array):
    """Digest of the values, block by block: as doubles, zero and NaN in one form."""
    total = sha256()
    for block in np.array_split(array, max(1, -(-array.size // BLOCK))):
        values = np.array(block, dtype="<f8", order="C") + 0.0
        values[np.isnan(values)] = np.nan
        total.update(values.tobytes())
    return total.hexdigest()


# ---- functions and classes -----------------------------------------------------------------------


def _name(value):
    return f"{value.__module__}.{value.__qualname__}"


def _code(code):
    """What code says, without its place."""
    consts = [_code(const) if isinstance(const, CodeType) else const for const in code.co_consts]
    return code.co_code, code.co_names, consts


def _names(code):
    """Names that code and the functions within it look up."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


def _reads(function):
    """Values of the closure, and of what the function reads of its module, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    own = {name: function.__globals__[name] for name in _names(function.__code__) & function.__globals__.keys()}
    known = zip(own, _of_its_module(own.values(), function.__module__), strict=True)
    return {name: cell.cell_contents for name, cell in cells}, dict(known)


def _of_its_module(values, module):
    """What these values are for code of a module: functions and classes of others have their name."""
    return [_for_module(value, module) for value in values]


def _for_module(value, module):
    if isinstance(value, FunctionType | type):
        return value if value.__module__ == module else _name(value)
    plain = value is None or isinstance(value, str | bytes | Number | ModuleType | list | tuple | np.ndarray)
    return value if plain else _name(type(value))  # the state of a cache or a log is not what a function does


def _functions(value):
    """Functions and plain values of the body of a class, by name."""
    body = {name: getattr(part, "__func__", getattr(part, "fget", part)) for name, part in vars(value).items()}
    return {
        name: _for_module(part, value.__module__)
        for name, part in body.items()
        if isinstance(part, FunctionType) or not name.startswith("__")
    }


# ---- objects -------------------------------------------------------------------------------------


def _parameters(estimator, without, above):
    """Parameters by name; a ValueError if one cannot be described."""
    described = {}
    for name, value in estimator.get_params(deep=False).items():
        try:
            described[name] = None if name in without else _described(value, without, (*above, estimator))
        except (TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{name}={value!r} cannot be told from other values ({error}), so that a checkpoint would not know its "
                "fit again. Give a function, or an object that can be pickled; or set checkpoint=None."
            ) from None
    return sorted(described.items())


def _pickled(value):
    """What a pickle of an object holds: a name; or its class, and the arguments and the state that make it."""
    if hasattr(value, "__wrapped__"):  # a compiled or cached function
        return _name(type(value)), value.__wrapped__
    make_known = dispatch_table.get(type(value))
    reduced = value.__reduce_ex__(4) if make_known is None else make_known(value)
    if isinstance(reduced, str):
        return _name(type(value)), getattr(value, "__module__", None), reduced
    make, arguments, *state = reduced
    items = [part if part is None or isinstance(part, dict | tuple) else list(part) for part in state[1:]]
    return _name(type(value)), getattr(make, "__qualname__", repr(make)), arguments, state[:1], items
