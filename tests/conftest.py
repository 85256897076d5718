"""Settings of all tests: shapes are checked, and implicit dtype or rank promotion raises."""

import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

install_import_hook("fnnet", "shapes.check")

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)

# An example may compile a program, on a machine that is busy.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


# Their slow tests are compiled as users compile: what they compare is the bits, the memory and the time of programs, and
# what the page for users says. For formulas, compiling quickly is enough.
OPTIMIZED = {
    "cli",
    "faults",
    "lanes",
    "records",
    "search",
    "sweeps",
    "test_examples.py",
    "test_memory.py",
    "test_readme.py",
}


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items):
    for item in items:
        if "slow" in item.keywords and OPTIMIZED.intersection(item.nodeid.partition("::")[0].split("/")):
            item.add_marker("optimized")


@pytest.fixture
def x64():
    """Compute in float64 inside a test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def digits():
    from fnnet import load_dataset

    return load_dataset("digits")


@pytest.fixture(scope="session")
def mnist():
    """MNIST, if it is available offline."""
    from fnnet import load_dataset
    from fnnet.data.catalog import read_catalog

    if not {entry.name: entry.is_here for entry in read_catalog()}["mnist"]:
        pytest.skip("mnist is not in $FNNET_DATA")
    return load_dataset("mnist")


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Keep the tests' compiled programs and downloads in a temporary folder."""
    import os

    os.environ["FNNET_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def stop_at_evaluation():
    """Return a function that makes an `on_event` that breaks a sweep off at its n-th evaluation, and lists their steps."""
    from fnnet.sweeps.events import Evaluated

    def stop(number):
        steps = []

        def on_event(event):
            if isinstance(event, Evaluated):
                steps.append(event.step)
                if len(steps) == number:
                    raise RuntimeError("stopped")

        return on_event, steps

    return stop
