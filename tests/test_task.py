"""Tasks: the keys they get, which cost nothing unless used, and what the engine calls them with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.keys import init_key, step_key
from fnnet.lanes.program import make_mesh, make_program
from fnnet.sweeps.plan import make_plan


def noting(uses_key=True):
    """A task whose state is the last key that it got, or a counter."""

    def init(key, hp, data):
        return jax.random.key_data(key) if uses_key else jnp.zeros(2, jnp.uint32)

    def step(key, hp, state, batch):
        new = jax.random.key_data(key) if uses_key else state + jnp.uint32(2)
        return new, {"loss": hp["size"]}

    def measure(hp, state, data):
        return {"first": state[0].astype(float), "second": state[1].astype(float)}

    return fn.Task(init, step, measure)


def key_of_step(seed, step):
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 0x73746570), step)


def test_keys_come_from_the_seed_and_the_number_of_the_step():
    space = fn.grid(size=1.0, seed=[0, 7, 3])
    results = fn.sweep(noting, space, None, num_steps=6, eval_every=2, lanes=2)
    for run, config in enumerate(space):
        keys = [jax.random.key_data(key_of_step(config["seed"], step)) for step in (1, 3, 5)]
        for name, column in zip(("first", "second"), np.transpose(keys), strict=True):
            assert results[f"{name}_curve"][run].tolist() == column.astype(np.float32).tolist()
    alone = fn.train(noting(), space[-1], None, num_steps=6, eval_every=2)
    assert alone.curves["second"].tolist() == results["second_curve"][-1].tolist()
    assert init_key(fn.Hparams({"seed": 3})) == jax.random.key(3) and init_key(
        fn.Hparams({})
    ) == jax.random.key(0)


def test_no_key_of_a_step_is_one_that_init_may_split_off():
    hparams = fn.Hparams({"seed": 5})

    @jax.jit
    def all_keys():
        steps = jax.vmap(lambda step: step_key(hparams, step))(jnp.arange(1000))
        return jax.random.key_data(jnp.concatenate([jax.random.split(init_key(hparams), 1000), steps]))

    assert len(np.unique(all_keys(), axis=0)) == 2000
    assert hparams.names_read == set()


def compiled_steps(task):
    mesh = make_mesh()
    program = make_program(task, mesh, max_steps=4)
    lanes = jnp.zeros(2 * mesh.size, jnp.int32)
    hparams = {"seed": lanes, "size": lanes.astype(float)}
    progress = jax.eval_shape(program.begin, hparams, None)
    step = np.int32(0)
    return program.steps.lower(hparams, progress, (), None, step, step).compile().as_text()


def test_unused_key_costs_nothing():
    """Threefry is all that shifts and xors bits here."""
    assert "xor" in compiled_steps(noting())
    without = compiled_steps(noting(uses_key=False))
    assert "xor" not in without and "threefry" not in without and "shift" not in without


@pytest.mark.parametrize("part", ["init", "step", "neither", "nested"])
def test_unused_seed_is_refused(part):
    with_key, without = noting(), noting(uses_key=False)
    tasks = {
        "init": without._replace(init=with_key.init),
        "step": without._replace(step=with_key.step),
        "neither": without,
        "nested": without._replace(
            step=lambda key, hp, *rest: jax.jit(lambda key: without.step(key, hp, *rest))(key)
        ),
    }
    space = fn.grid(size=[1.0], seed=range(3))
    if part in ("init", "step"):
        assert make_plan(lambda: tasks[part], space, None).traced_axes == ("size", "seed")
        return
    with pytest.raises(fn.InputError, match="axis 'seed' changes nothing: neither init nor step"):
        make_plan(lambda: tasks[part], space, None)


@pytest.mark.parametrize("seed", [0.5, -1, True])
def test_seeds_of_any_task_are_integers(seed):
    with pytest.raises(fn.InputError, match="seed must be an integer from 0 to 2147483647, got"):
        fn.train(noting(), {"size": 1.0, "seed": seed}, None, num_steps=1)
    if seed is not True:
        with pytest.raises(fn.InputError, match="seed must be an integer from 0 to 2147483647, got"):
            make_plan(noting, fn.grid(size=1.0, seed=[seed]), None)


def test_params_are_kept_and_given_to_predict(tmp_path):
    """Parameters averaged over the steps are stored and evaluated, with the run's hyper-parameters."""
    data = fn.load_dataset("iris")
    network = fn.mlp(4, [5], 3)
    plain = fn.supervised(network, "cross_entropy", optimizer=lambda hp: fn.sgd(hp["rate"]), batch_size=16)

    def init(key, hp, data):
        state = plain.init(key, hp, data)
        return state, jax.tree.map(jnp.zeros_like, state.params), jnp.zeros(())

    def step(key, hp, averaged, batch):
        state, metrics = plain.step(key, hp, averaged[0], batch)
        total = jax.tree.map(jnp.add, averaged[1], state.params)
        return (state, total, averaged[2] + 1), metrics

    def recipe():
        return plain._replace(
            init=init,
            step=step,
            measure=lambda hp, averaged, data: plain.measure(hp, averaged[0], data),
            predict=lambda hp, params, inputs: hp["rate"] * plain.predict(hp, params, inputs),
            params=lambda averaged: jax.tree.map(lambda leaf: leaf / averaged[2], averaged[1]),
        )

    results = fn.sweep(recipe, fn.grid(rate=[0.1, 0.3]), data, num_steps=2, store=tmp_path, save_params=True)
    outputs = fn.evaluate_results(recipe, results, data.test, ["outputs"])["outputs"]
    for run, config in enumerate(results.space):
        states = [fn.train(plain, config, data, num_steps=number).state for number in (1, 2)]
        first, last = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *(s.params for s in states))
        np.testing.assert_allclose(results.params(run)[0]["w"], first["w"], atol=1e-6)
        hidden = np.maximum(data.test.inputs @ first["w"] + first["b"], 0)
        expected = config["rate"] * (hidden @ last["w"] + last["b"])
        np.testing.assert_allclose(outputs[run], expected, atol=1e-5)


def test_all_data_is_the_batch_of_every_step_by_default():
    data = {"a": jnp.arange(3.0), "b": jnp.ones((2, 2))}
    task = fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, state, batch: (state + batch["a"].sum() + batch["b"].sum(), {"loss": 0.0}),
        measure=lambda hp, state, data: {"total": state},
    )
    assert fn.train(task, {}, data, num_steps=5).metrics["total"] == 35
