"""fnnet: whole sweeps of feed-forward networks as one XLA program, managed like a database.

`import fnnet as fn`. The public API is the list in `__init__.pyi`; a name is loaded when it is first used,
so that `fnnet --help` does not wait for JAX.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("fnnet")
except PackageNotFoundError:  # used from a folder, not installed
    __version__ = "unknown"


class _Package(ModuleType):
    """Keeps `fnnet.sweep` the function when Python binds the folder of the same name to the package."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _FUNCTIONS):
            super().__setattr__(name, value)


_FUNCTIONS = {"evaluate", "sweep", "train"}
sys.modules[__name__].__class__ = _Package
