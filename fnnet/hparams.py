"""The hyper-parameters of one run, by name."""

from collections.abc import Iterator, Mapping
from typing import Any

from fnnet.errors import InputError


class MissingHparam(InputError):
    """A task reads a hyper-parameter that it was not given."""


class Hparams(Mapping[str, Any]):
    """A read-only mapping that remembers which names were read.

    What a task reads tells which axes a sweep may have, so nobody has to declare them. Reading a name that
    is missing is the caller's mistake and says so; `get` reads one that may be missing.

    Values are traced scalars inside a compiled program.

    names_read: every name that was asked for, whether it was there or not.

    Example:
        >>> hparams = Hparams({"learning_rate": 0.1})
        >>> hparams["learning_rate"], hparams.get("momentum")
        (0.1, None)
        >>> sorted(hparams.names_read)
        ['learning_rate', 'momentum']
    """

    def __init__(self, values: Mapping[str, Any]):
        self._values = dict(values)
        self.names_read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names_read.add(name)
        if name not in self._values:
            given = ", ".join(sorted(self._values)) or "none"
            raise MissingHparam(
                f"the task reads the hyper-parameter {name!r}, which is missing (given: {given})"
            )
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Read a hyper-parameter that may be missing."""
        self.names_read.add(name)
        return self._values.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
