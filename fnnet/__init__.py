"""fnnet: whole sweeps of feed-forward networks as one XLA program, managed like a database.

`import fnnet as fn`. The public API is the list in `__init__.pyi`; a name is loaded when it is first used,
so that `fnnet --help` does not wait for JAX.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("fnnet")
except PackageNotFoundError:  # used from a folder, not installed
    __version__ = "unknown"
