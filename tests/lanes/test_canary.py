"""The canary: the same on the same device, and what happens under another."""

import os
import subprocess
import sys

import jax
import pytest

import fnnet as fn
from fnnet.cache import cache_folder
from fnnet.lanes import program
from fnnet.lanes.canary import canary
from fnnet.sweeps import fingerprint


def test_canary_is_the_same_in_float64(x64):
    assert canary.__wrapped__() == canary()


@pytest.mark.slow
def test_another_process_with_a_cache_of_its_own_has_the_same_canary_and_does_not_cache_it(tmp_path):
    code = "import jax; from fnnet.lanes.canary import canary; print(canary()); jax.jit(lambda x: x + 1)(1)"
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_NUM_CPU_DEVICES": "1",
    }
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == canary()
    assert len(list(tmp_path.glob("*-cache"))) == 1, "only the function after it"


@pytest.fixture
def no_cache_configured():
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_programs_of_another_canary_are_in_another_folder(no_cache_configured, monkeypatch):
    program.keep_compiled_programs()
    assert jax.config.values["jax_compilation_cache_dir"] == str(cache_folder() / "xla" / canary())
    monkeypatch.setattr(program, "canary", lambda: "another")
    program.keep_compiled_programs()
    assert jax.config.values["jax_compilation_cache_dir"].endswith(canary()), "a configured cache stays"
    jax.config.update("jax_compilation_cache_dir", None)
    program.keep_compiled_programs()
    assert jax.config.values["jax_compilation_cache_dir"] == str(cache_folder() / "xla" / "another")


def test_store_of_another_canary_is_refused_unless_that_is_accepted(tmp_path, monkeypatch):
    def toy():
        return fn.Task(
            init=lambda key, hp, data: hp["seed"].astype(float),
            step=lambda key, hp, state, batch: (state * hp["decay"], {"loss": state}),
            measure=lambda hp, state, data: {"left": state},
        )

    def sweep(seeds, **options):
        space = fn.grid(decay=[0.5], seed=range(seeds))
        return fn.sweep(toy, space, None, num_steps=2, lanes=1, store=tmp_path, **options)

    sweep(2)
    monkeypatch.setattr(fingerprint, "canary", lambda: "another")
    with pytest.raises(fn.InputError, match=f"device: cpu .* canary {canary()} -> cpu .* canary another"):
        sweep(4)
    grown = sweep(4, accept_fingerprint=True)
    assert len(set(grown["fingerprint"][:2])) == 1 and len(set(grown["fingerprint"])) == 2
