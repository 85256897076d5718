"""Sending: a recipe and its data, as workers in other processes receive them.

A recipe travels by value where a worker could not import it: closures, lambdas, functions of notebooks and scripts.
The data that it closes over are sent separately, once, as arrays.
"""

import contextlib
import functools
import hashlib
import io
import multiprocessing
import os
import pickle
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

import cloudpickle
import jax
import numpy as np

from fnnet.data.content import combine, leaf_hashes
from fnnet.engines.engine import Arrays, Engine
from fnnet.errors import InputError
from fnnet.lanes.program import keep_compiled_programs, use_all_cores
from fnnet.sweeps.interrupt import end_with_parent
from fnnet.sweeps.worker import Open, Workspace
from fnnet.task import Recipe
from fnnet.types import PyTree

_opened: dict[str, Workspace] = {}  # of the last sweep of this process


@dataclass(frozen=True)
class Sent:
    """Opens the workspace of a sweep on a worker; only its first call there does anything.

    id: a hash of the recipe and the data.
    pickled: the recipe and the structure of the data.
    arrays: returns the leaves of the data.
    cores: the CPU cores that the worker uses; None for all.
    path: where modules of the recipe may be found, if there is such a folder on the worker.
    """

    id: str
    pickled: bytes
    arrays: Callable[[], Arrays]
    cores: int | None
    path: list[str]

    def __call__(self) -> Workspace:
        """Return the workspace."""
        if self.id not in _opened:
            _opened.clear()
            end_with_parent()
            is_of_pool = multiprocessing.parent_process() is not None
            if is_of_pool and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the coordinator, which decides
            sys.path += [folder for folder in self.path if folder not in sys.path and Path(folder).is_dir()]
            if self.cores is not None:
                # Otherwise products use threads on the cores of the other workers. XLA reads it when it starts.
                os.environ.setdefault("NPROC", str(self.cores))
            if self.cores is not None and jax.config.values["jax_num_cpu_devices"] == -1:
                with contextlib.suppress(RuntimeError):  # the devices have started
                    jax.config.update("jax_num_cpu_devices", self.cores)
            use_all_cores(warn=False)
            keep_compiled_programs()
            recipe, structure, leaves = _Unpickler(self.pickled, self.arrays()).load()
            data = jax.tree.unflatten(structure, leaves)
            _opened[self.id] = Workspace(lambda static: recipe(**static), data, is_elsewhere=True)
        return _opened[self.id]


def send(engine: Engine, recipe: Recipe, data: PyTree) -> Open:
    """Hand a recipe and its data to the workers of an engine.

    Args:
        engine: not in process.
        recipe: the recipe of the sweep.
        data: the data of the sweep.

    Raises:
        InputError: when the recipe cannot be pickled, saying what in it.
    """
    leaves, structure = jax.tree.flatten(data)
    places = {id(leaf): f"{place}" for place, leaf in enumerate(leaves) if hasattr(leaf, "dtype")}
    arrays = {places[id(leaf)]: np.asarray(jax.device_get(leaf)) for leaf in leaves if id(leaf) in places}
    with _by_value(recipe):
        try:
            pickled = _pickle((recipe, structure, leaves), places)
        except Exception as error:
            raise InputError(
                f"the recipe cannot be sent to workers: {error}; build what it needs inside of it, or import it there"
            ) from error
    shared = engine.share(arrays)
    # The same sweep again finds its compiled programs.
    digest = hashlib.sha256(pickled + combine(leaf_hashes(arrays)).encode()).hexdigest()
    return Sent(digest[:16], pickled, shared, engine.cores, sys.path[:1])


def _pickle(value: object, references: Mapping[int, str]) -> bytes:
    """Pickle by value, with references in place of some objects."""

    class Pickler(cloudpickle.Pickler):
        def persistent_id(self, obj: object) -> Any:
            return references.get(id(obj))

    content = io.BytesIO()
    Pickler(content).dump(value)
    return content.getvalue()


class _Unpickler(pickle.Unpickler):
    """Puts arrays in the place of references to them."""

    def __init__(self, content: bytes, arrays: Arrays) -> None:
        super().__init__(io.BytesIO(content))
        self._arrays = arrays

    def persistent_load(self, pid: str) -> Any:
        return self._arrays[pid]


@contextlib.contextmanager
def _by_value(recipe: Recipe) -> Iterator[None]:
    """Pickle functions and classes of the recipe's own modules by value, if they are not installed ones."""
    already = cloudpickle.list_registry_pickle_by_value()
    modules = [sys.modules[name] for name in sorted(_modules_of(recipe) - already) if name in sys.modules]
    own = [
        module
        for module in modules
        if module.__name__ not in ("__main__", "fnnet") and not _is_installed(module)
    ]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def _modules_of(value: object) -> set[str]:
    """Return the names of the modules that define a function or an object, also those of the parts of a partial one."""
    if isinstance(value, functools.partial):
        return set().union(*map(_modules_of, (value.func, *value.args, *value.keywords.values())))
    if isinstance(value, MethodType):
        return _modules_of(value.__func__) | _modules_of(value.__self__)
    defined = (value, *type(value).__mro__)
    return {name for each in defined if isinstance(name := getattr(each, "__module__", None), str)}


def _is_installed(module: ModuleType) -> bool:
    """Return whether a module comes with an installed package, which workers have too."""
    file = getattr(module, "__file__", None)
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), str(Path(__file__).parents[1])]
    return file is None or any(Path(file).is_relative_to(folder) for folder in folders)
