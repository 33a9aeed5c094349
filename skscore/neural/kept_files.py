"""Files that a piece of work needs to begin again, and that go when all of it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["at_the_end", "kept_to_the_end"]

_endings: ContextVar[list | None] = ContextVar("endings", default=None)


@contextmanager
def kept_to_the_end() -> Iterator[list[str]]:
    """Do what is asked for by `at_the_end` after the outermost of these blocks, and nothing of it if that fails.

    Yields
    ------
    list of str
        What a user should know of that, once the block has ended.

    Examples
    --------
    >>> from skscore.neural.kept_files import at_the_end, kept_to_the_end
    >>> with kept_to_the_end():
    ...     with kept_to_the_end():
    ...         at_the_end(lambda: print("removed"))
    ...     print("ended")
    ended
    removed
    """
    if _endings.get() is not None:
        yield []
        return
    endings: list[Callable[[], str | None]] = []
    remarks: list[str] = []
    token = _endings.set(endings)
    try:
        yield remarks
    finally:
        _endings.reset(token)
    remarks.extend(remark for ending in endings if (remark := ending()) is not None)


def at_the_end(ending: Callable[[], str | None]) -> None:
    """Call `ending` after the outermost `kept_to_the_end` block, at once if there is none.

    It returns a remark, or None.
    """
    endings = _endings.get()
    if endings is None:
        ending()
    else:
        endings.append(ending)
