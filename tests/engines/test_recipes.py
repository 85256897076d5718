"""Recipes reach workers wherever they were defined."""

import functools
import importlib
import json
import multiprocessing
import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest

import fnnet as fn
from fnnet.engines.engine import Engine
from fnnet.engines.this_process import local
from fnnet.sweeps.sending import send

SCRIPT = """
import fnnet as fn

data = fn.load_dataset("iris")
{recipe}
def main():
    options = {{"num_steps": 5, "lanes": 2}}
    space = fn.grid(depth=[1], learning_rate=[0.1, 0.3], seed=range(2))
    {engine}
    there = fn.sweep(recipe, space, data, engine=engine, **options)
    here = fn.sweep(recipe, space, data, **options)
    print("equal" if (there["test_loss"] == here["test_loss"]).all() else "different")
{call}
"""
PROCESSES = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    engine = fn.engines.executor(pool, cores=None)
"""
RAY = """
    import jax

    engine = fn.engines.ray(1, cpus=jax.local_device_count())
"""
CLOSURE = """
def recipe(depth, width=7):
    network = fn.mlp(data.num_features, [width] * depth, data.num_outputs)
    return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)
"""
MODULE = CLOSURE.replace("def recipe", 'import fnnet as fn\n\ndata = fn.load_dataset("iris")\n\n\ndef recipe')
GUARDED = 'if __name__ == "__main__":\n    main()'


@pytest.fixture(params=["processes", "ray"])
def engine(request):
    if request.param == "ray":
        pytest.importorskip("ray", reason="Ray is not installed")
    return {"processes": PROCESSES, "ray": RAY}[request.param]


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [CLOSURE, "from recipes import recipe\n"], ids=["of a script", "of a module"]
)
def test_recipe_beside_a_script_trains_elsewhere(recipe, engine, tmp_path):
    (tmp_path / "recipes.py").write_text(MODULE)
    (tmp_path / "script.py").write_text(SCRIPT.format(recipe=recipe, engine=engine, call=GUARDED))
    ended = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stdout == "equal\n", ended.stderr


@pytest.mark.slow
def test_recipe_of_a_notebook_trains_elsewhere(engine, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat")
    source = SCRIPT.format(recipe=CLOSURE, engine=engine, call="\nmain()")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "equal" in json.dumps(notebook.cells[0].outputs)


def sent_of(recipe, data, shared):
    """Send to an engine that keeps what it was to share."""

    def share(arrays):
        shared.append(arrays)
        return lambda: arrays

    engine = Engine(local().submit, share, 1, None, lambda error: False, "keeping")
    return send(engine, recipe, data)


@pytest.mark.parametrize(
    "convert", [lambda data: data, lambda data: fn.from_arrays(*CLUSTERS)], ids=["numpy", "other"]
)
def test_data_do_not_travel_with_the_recipe(convert):
    data = convert(fn.load_dataset("digits"))

    def recipe(depth):
        assert data.train.inputs.shape  # which the recipe closes over
        return fn.supervised(fn.mlp(data.num_features, [5] * depth, data.num_outputs), "mse", optimizer="sgd")

    shared = []
    sent = sent_of(recipe, data, shared)
    assert len(sent.pickled) < 4000
    num_bytes = sum(np.asarray(leaf).nbytes for leaf in shared[0].values())
    assert num_bytes > 100_000 and len(shared) == 1


PARTS = """
import functools
import fnnet as fn

class Family:
    def __init__(self, width):
        self.width = width

    def build(self, depth):
        return base(depth, self.width)

class Callable(Family):
    def __call__(self, depth):
        return self.build(depth)

def base(depth, width=7, activation=None):
    network = fn.mlp(4, [width] * depth, 3, activation=activation or "relu")
    return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)

def square(z):
    return z**2

recipe = base
partial = functools.partial(base, width=5)
nested = functools.partial(functools.partial(base, width=5), activation="tanh")
method = Family(5).build
instance = Callable(5)
"""


@pytest.fixture
def own_recipes(tmp_path, monkeypatch):
    """A module of the user's, which another process cannot import."""
    (tmp_path / "own_recipes.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("own_recipes")
    del sys.modules["own_recipes"]


@pytest.mark.parametrize("kind", ["recipe", "partial", "nested", "method", "instance", "argument"])
def test_recipes_of_any_kind_travel_by_value(own_recipes, kind):
    def of_here(depth, activation):
        return fn.supervised(fn.mlp(4, [5] * depth, 3, activation=activation), "mse", optimizer="sgd")

    recipe = functools.partial(of_here, activation=own_recipes.square)
    if kind != "argument":
        recipe = getattr(own_recipes, kind)
    pickled = sent_of(recipe, None, []).pickled
    sys.modules["own_recipes"] = None  # importing it raises
    try:
        make, _, _ = pickle.loads(pickled)
        assert isinstance(make(depth=1), fn.Task)
    finally:
        sys.modules["own_recipes"] = own_recipes
    assert not cloudpickle.list_registry_pickle_by_value()


def test_modules_registered_by_value_stay_so(own_recipes):
    cloudpickle.register_pickle_by_value(own_recipes)
    sent_of(own_recipes.recipe, None, [])
    assert cloudpickle.list_registry_pickle_by_value() == {"own_recipes"}
    cloudpickle.unregister_pickle_by_value(own_recipes)


CLUSTERS = (np.random.default_rng(0).normal(size=(3000, 11)).astype(np.float32), np.arange(3000) % 3)


def test_unpicklable_recipe_is_refused():
    lock = multiprocessing.get_context("spawn").Lock()

    def recipe():
        return lock

    with pytest.raises(fn.InputError, match=r"the recipe cannot be sent to workers: .*Lock"):
        sent_of(recipe, None, [])
