"""The dtype of a column in plain words, and columns of that dtype: pandas, polars and pyarrow.

A fitted schema outlives the frame that it was read from and is stored with an estimator, so that it holds no object of
a frame library: a dtype is the name of what builds it there, and the arguments. A library is imported only where a
frame of it came in.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np

from .._compat import native_frame

__all__ = ["NativeDtype", "native_column", "native_dtype", "native_frame_of", "with_index_of"]

SHOWN = ("time_unit", "unit", "time_zone", "tz", "precision", "scale")  # arguments that matter to a reader


class NativeDtype(NamedTuple):
    """The dtype of a column.

    Attributes
    ----------
    library : {"pandas", "pandas on pyarrow", "polars", "pyarrow", "numpy"}
        Of the column.
    name : str
        What builds it in this library: ``"int64"``, ``"Datetime"``, ``"timestamp"``, …
    arguments : dict
        Of plain values, for the builder.
    categories : tuple or None
        All of them, in order; None if the column is no categorical.
    ordered : bool
        Whether the order of the categories means something.
    missing : {"null", "nan", "none"}
        How a missing cell is written: as the dtype does, as NaN in a column that could also hold null, as None.
    """

    library: str
    name: str
    arguments: dict[str, Any]
    categories: tuple | None = None
    ordered: bool = False
    missing: str = "null"

    def __str__(self) -> str:
        shown = [str(self.arguments[key]) for key in SHOWN if self.arguments.get(key) is not None]
        return f"{self.name}[{', '.join(shown)}]" if shown else self.name


def native_dtype(column: nw.Series | np.ndarray) -> NativeDtype:
    """Return the dtype of a `column`."""
    if isinstance(column, np.ndarray):
        return NativeDtype("numpy", str(column.dtype), {})
    library = str(column.implementation)
    dtype = _READERS[library](column)
    return dtype._replace(missing=_missing(column)) if column.dtype.is_float() else dtype


def native_column(values: np.ndarray, missing: np.ndarray, dtype: NativeDtype) -> Any:
    """Return the column of a frame library that holds `values`.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers, text, times of any unit, or the places of the cells among the categories.
    missing : ndarray of bool, shape (n,)
        Cells whose value is not read.
    dtype : NativeDtype

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.native_dtypes import NativeDtype, native_column
    >>> size = NativeDtype("polars", "Enum", {}, categories=("S", "M", "L"), ordered=True)
    >>> native_column(np.array([2, 0]), np.array([False, True]), size).to_list()
    ['L', None]
    """
    if _is_text(values):
        values = values.copy()
        values[missing] = None
    return _BUILDERS[dtype.library](_library(dtype.library.partition(" ")[0]), values, missing, dtype)


def native_frame_of(columns: dict, library: str, n: int) -> Any:
    """Return the frame of `n` rows that holds `columns`, of one `library` all; an array for ``"numpy"``."""
    if library == "numpy":
        return np.stack(list(columns.values()), axis=1)
    module = _library(library)
    if library == "pandas":
        return module.DataFrame(columns, index=module.RangeIndex(n))
    return module.DataFrame(columns) if library == "polars" else module.table(columns)


def with_index_of(X: Any, frame: Any) -> Any:
    """Return the `frame` with the index of the rows X, of which its rows are; only frames of pandas have one."""
    X = native_frame(X)
    return frame.set_axis(X.index) if all(map(nw.dependencies.is_pandas_dataframe, (X, frame))) else frame


def _is_text(values):
    return values.dtype == object


def _library(name):
    return np if name == "numpy" else nw.Implementation.from_backend(name).to_native_namespace()


def _missing(column):
    """How a column of floats writes its missing cells, if it could write them as null or as NaN."""
    held = column.drop_nulls()
    return "nan" if len(held) == len(column) and bool(held.is_nan().any()) else "null"


# ---- pandas --------------------------------------------------------------------------------------


def _read_pandas(column):
    native = column.to_native()
    dtype, kind = native.dtype, type(native.dtype).__name__
    if kind == "ArrowDtype":
        return _of_arrow(dtype.pyarrow_dtype, column)._replace(library="pandas on pyarrow")
    if kind == "CategoricalDtype":
        words = {"dtype": str(dtype.categories.dtype)}
        return NativeDtype("pandas", "category", words, tuple(dtype.categories.tolist()), dtype.ordered)
    if kind == "StringDtype":
        return NativeDtype("pandas", str(dtype), {"storage": dtype.storage, "nan": dtype.na_value is np.nan})
    empty = native[native.isna()].tolist() if str(dtype) == "object" else []
    return NativeDtype("pandas", str(dtype), {}, missing="none" if empty and empty[0] is None else "null")


def _build_pandas(pd, values, missing, dtype):
    if dtype.categories is not None:
        categories = pd.Index(list(dtype.categories), dtype=dtype.arguments["dtype"])
        codes = np.where(missing, -1, values)
        return pd.Series(pd.Categorical.from_codes(codes, categories, ordered=dtype.ordered))
    if dtype.name == "object":
        cells = values.astype(object)
        cells[missing] = None if dtype.missing == "none" else np.nan
        return pd.Series(cells, dtype=object)
    column = pd.Series(values)
    if values.dtype.kind == "M" and "," in dtype.name:  # a time zone
        column = column.dt.tz_localize("UTC")
    column = column.astype(_string_dtype(pd, **dtype.arguments) if dtype.arguments else dtype.name)
    return column.mask(missing) if missing.any() else column


def _string_dtype(pd, storage, nan):
    return pd.StringDtype(storage, na_value=np.nan) if nan else pd.StringDtype(storage)


def _build_pandas_on_pyarrow(pd, values, missing, dtype):
    return pd.Series(pd.arrays.ArrowExtensionArray(_build_pyarrow(_library("pyarrow"), values, missing, dtype)))


# ---- polars --------------------------------------------------------------------------------------

POLARS_ARGUMENTS = ("time_unit", "time_zone", "precision", "scale")


def _read_polars(column):
    dtype = column.to_native().dtype
    name = dtype.base_type().__name__
    arguments = {key: getattr(dtype, key) for key in POLARS_ARGUMENTS if hasattr(dtype, key)}
    if name == "Enum":
        return NativeDtype("polars", name, {}, tuple(dtype.categories.to_list()), ordered=True)
    if name == "Categorical":
        return NativeDtype("polars", name, {}, tuple(sorted(column.drop_nulls().cast(nw.String).unique().to_list())))
    return NativeDtype("polars", name, arguments)


def _build_polars(pl, values, missing, dtype):
    if dtype.categories is not None:
        values = np.array([*dtype.categories, None], dtype=object)[np.where(missing, -1, values)]
    column = pl.Series(values.tolist(), dtype=pl.String) if _is_text(values) else pl.Series(values)
    column = column.scatter(np.flatnonzero(missing), np.nan if dtype.missing == "nan" else None)
    categories = [list(dtype.categories)] if dtype.name == "Enum" else []
    return column.cast(getattr(pl, dtype.name)(*categories, **dtype.arguments))


# ---- pyarrow -------------------------------------------------------------------------------------


def _read_pyarrow(column):
    return _of_arrow(column.to_native().type, column)


def _of_arrow(dtype, column):
    """The dtype of a `column` that arrow holds: its index and value types if it is a dictionary."""
    if not hasattr(dtype, "index_type"):
        return NativeDtype("pyarrow", *_type_words(dtype))
    arrays = column.to_arrow()
    arrays = arrays.unify_dictionaries().chunks[:1] if hasattr(arrays, "chunks") else [arrays]
    categories = tuple(arrays[0].dictionary.to_pylist()) if arrays else ()
    words = {"index": _type_words(dtype.index_type), "value": _type_words(dtype.value_type)}
    return NativeDtype("pyarrow", "dictionary", words, categories, dtype.ordered)


def _type_words(dtype):
    """Name of the builder of a type, and its arguments; of most types the name is all there is."""
    text = str(dtype)
    if text.startswith("decimal"):
        return text.partition("(")[0], {"precision": dtype.precision, "scale": dtype.scale}
    if text.startswith("timestamp"):
        return "timestamp", {"unit": dtype.unit, "tz": dtype.tz}
    return text, {}


def _arrow_type(pa, name, arguments):
    return getattr(pa, name)(**arguments) if arguments else pa.type_for_alias(name)


def _build_pyarrow(pa, values, missing, dtype):
    if dtype.name == "null":
        return pa.chunked_array([pa.nulls(len(values))])
    mask = missing
    if dtype.missing == "nan":
        values, mask = np.where(missing, np.nan, values), None
    if dtype.categories is None:
        return pa.chunked_array([_array(pa, values, mask).cast(_arrow_type(pa, dtype.name, dtype.arguments))])
    codes = _array(pa, values, mask).cast(_arrow_type(pa, *dtype.arguments["index"]))
    categories = pa.array(list(dtype.categories)).cast(_arrow_type(pa, *dtype.arguments["value"]))
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes, categories, ordered=dtype.ordered)])


def _array(pa, values, mask):
    return pa.array(values, mask=mask, type=pa.string() if _is_text(values) else None)


# ---- numpy ---------------------------------------------------------------------------------------


def _build_numpy(_, values, missing, dtype):
    column = values.astype(dtype.name)
    return np.where(missing, np.nan, column) if missing.any() else column


_READERS: dict[str, Callable[[nw.Series], NativeDtype]] = {
    "pandas": _read_pandas,
    "polars": _read_polars,
    "pyarrow": _read_pyarrow,
}
_BUILDERS: dict[str, Callable[[ModuleType, np.ndarray, np.ndarray, NativeDtype], Any]] = {
    "pandas": _build_pandas,
    "pandas on pyarrow": _build_pandas_on_pyarrow,
    "polars": _build_polars,
    "pyarrow": _build_pyarrow,
    "numpy": _build_numpy,
}
