"""Costs against numbers worked out by hand and against a clock that tells what it is told."""

import json
import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.hparams import Hparams
from fnnet.lanes import cost as costs
from fnnet.lanes.cost import Cost, CostFile, count_flops, device_bytes, measure_cost
from fnnet.lanes.program import Program, lanes_sharding, make_mesh, make_program
from fnnet.training import first_batch, init_state

BATCH, INPUTS, WIDTH, OUTPUTS = 5, 3, 7, 2


def one_step(depth):
    """Return a step of a network of `depth` hidden layers, and its arguments."""
    inputs = np.ones((11, INPUTS), np.float32)
    data = fn.from_arrays(inputs, np.arange(11) % OUTPUTS, test=(inputs[:4], np.arange(4) % OUTPUTS))
    network = fn.mlp(INPUTS, [WIDTH] * depth, OUTPUTS)
    task = fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=BATCH)
    state, key = init_state(task, Hparams({"learning_rate": 0.1}), data), jax.random.key(0)

    def step(rate, state, batch):
        return task.step(key, Hparams({"learning_rate": rate}), state, batch)

    return step, (jnp.float32(0.1), state, first_batch(task, data))


def flops_by_hand(depth):
    """2 m k n each: forward and dW for every layer, dx for every layer but the first."""
    first = 2 * BATCH * INPUTS * WIDTH * 2
    hidden = 2 * BATCH * WIDTH * WIDTH * 3
    last = 2 * BATCH * WIDTH * OUTPUTS * 3
    return first + (depth - 1) * hidden + last


@pytest.mark.parametrize(("depth", "flops"), [(1, 840), (3, 3780), (9, 12_600)])
def test_products_of_a_step_are_counted(depth, flops):
    step, arguments = one_step(depth)
    assert flops_by_hand(depth) == flops == count_flops(step, *arguments)


def test_equal_layers_in_a_loop_count_each_time():
    step, arguments = one_step(9)
    loops = [each for each in jax.make_jaxpr(step)(*arguments).eqns if each.primitive.name == "scan"]
    assert [loop.params["length"] for loop in loops] == [8, 8], "forward and backward are loops"
    assert count_flops(step, *arguments) - count_flops(*_flat(one_step(3))) == 6 * 2 * BATCH * WIDTH**2 * 3


def _flat(step_and_arguments):
    return step_and_arguments[0], *step_and_arguments[1]


def test_lanes_multiply_the_count():
    step, (rate, state, batch) = one_step(3)
    rates, states = jax.tree.map(lambda leaf: jnp.stack([leaf] * 6), (rate, state))
    assert count_flops(jax.vmap(step, in_axes=(0, 0, None)), rates, states, batch) == 6 * 3780


def test_costlier_branch_counts():
    x, thin, wide, narrow = np.ones((5, 3)), np.ones((3, 2)), np.ones((3, 7)), np.ones((7, 2))

    def branches(is_wide, x):
        return jax.lax.cond(is_wide, lambda x: (x @ wide) @ narrow, lambda x: x @ thin, x)

    assert count_flops(branches, True, x) == 2 * 5 * 3 * 7 + 2 * 5 * 7 * 2


def test_shapes_are_enough_and_nothing_is_computed():
    huge = jax.ShapeDtypeStruct((10**6, 10**7), jnp.float32), jax.ShapeDtypeStruct((10**7, 3), jnp.float32)
    assert count_flops(jnp.matmul, *huge) == 2 * 10**6 * 10**7 * 3


VECTOR = 1_000_000


def big_vectors():
    """A task whose state is one long vector, which dwarfs all else."""

    def step(key, hp, state, batch):
        return state * hp["decay"], {"loss": state[0]}

    task = fn.Task(
        init=lambda key, hp, data: jnp.zeros(VECTOR) + hp["decay"],
        step=step,
        measure=lambda hp, state, data: {"first": state[0]},
    )
    return make_program(task, make_mesh(), max_steps=4)


def decays(program, lanes):
    """Make hyper-parameters of `lanes` lanes on each device."""
    values = np.full(lanes * program.mesh.size, 0.5, np.float32)
    return {"decay": jax.device_put(values, lanes_sharding(program.mesh))}


def test_memory_is_the_lanes_arrays():
    program = big_vectors()
    lanes = np.array([2, 3, 5, 8])
    num_bytes = [device_bytes(program, decays(program, n), np.int32(0), None) for n in lanes.tolist()]
    states = 4 * VECTOR * lanes  # of one device, where a step reads one and writes one
    assert (states <= num_bytes).all() and (num_bytes < 2.01 * states).all()
    slopes = np.diff(num_bytes) / np.diff(lanes)
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-3)


def test_temporaries_count_as_memory():
    """The third of a sorted vector is one number, and making it takes the vector, for one lane at a time."""
    task = fn.Task(
        init=lambda key, hp, data: jnp.sort(jnp.arange(float(VECTOR)) * hp["decay"])[2],
        step=lambda key, hp, state, batch: (state, {"loss": state}),
        measure=lambda hp, state, data: {"third": state},
    )
    program = make_program(task, make_mesh(), max_steps=4)
    for lanes in (1, 7):
        num_bytes = device_bytes(program, decays(program, lanes), np.int32(0), None)
        assert 4 * VECTOR <= num_bytes < 3 * 4 * VECTOR


class Watched:
    """A compiled function that notes when it runs; being traced is not running."""

    def __init__(self, function, calls):
        self.function, self.calls, self.lower = function, calls, function.lower

    def __call__(self, *args):
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(args)):
            return self.function.__wrapped__(*args)
        self.calls.append(self)
        return self.function(*args)


def watched(program):
    calls = []
    functions = {name: Watched(getattr(program, name), calls) for name in ("begin", "steps", "measure")}
    return program._replace(**functions), calls


def test_fitting_lanes_are_timed_on_all_devices():
    program, calls = watched(big_vectors())
    cost = measure_cost(program, decays(program, 3), np.int32(0), None, limit=1e9)
    assert calls and cost.lanes == 3
    assert cost.num_bytes == 2 * device_bytes(program, decays(program, 3), np.int32(0), None)
    assert all(0 < seconds < 10 for seconds in (cost.begin, cost.step, cost.measure)) and cost.segment >= 0


def test_lanes_that_do_not_fit_are_not_run():
    program, calls = watched(big_vectors())
    needed = measure_cost(program, decays(program, 3), np.int32(0), None, limit=1e9).num_bytes
    calls.clear()
    cost = measure_cost(program, decays(program, 3), np.int32(0), None, limit=needed - 1)
    assert cost == Cost(3, needed, *[math.inf] * 4) and calls == []


@pytest.mark.parametrize(("message", "is_raised"), [("RESOURCE_EXHAUSTED: no", False), ("ABORTED", True)])
def test_lanes_that_fit_by_count_alone_cost_infinity(message, is_raised):
    def failing(*args):
        raise jax.errors.JaxRuntimeError(message)

    program = big_vectors()
    failing.lower = program.measure.lower
    arguments = program._replace(measure=failing), decays(program, 3), np.int32(0), None
    if is_raised:
        with pytest.raises(jax.errors.JaxRuntimeError, match=message):
            measure_cost(*arguments, limit=1e9)
    else:
        assert measure_cost(*arguments, limit=1e9).step == math.inf


@pytest.mark.parametrize(
    ("per_call", "per_step", "max_steps"),
    [(0.4, 0.001, 1000), (0.001, 3.0, 50), (0.01, 0.002, 1000), (0.0625, 0.03125, 3)],
)
def test_calls_and_steps_are_told_apart(monkeypatch, per_call, per_step, max_steps):
    """On a clock that only the program moves."""
    cost = measured_on_a_clock(monkeypatch, per_call, per_step, max_steps)
    np.testing.assert_allclose([cost.segment, cost.step], [per_call, per_step], rtol=1e-9)
    assert (cost.begin, cost.measure) == (0.25, 0.125)


def test_time_of_a_single_step_counts_once(monkeypatch):
    cost = measured_on_a_clock(monkeypatch, 0.0625, 0.03125, max_steps=1)
    assert cost.segment + cost.step == 0.09375


def measured_on_a_clock(monkeypatch, per_call, per_step, max_steps):
    now = 0.0

    def lasting(seconds):
        nonlocal now
        now += seconds

    def steps(hparams, progress, batches, data, first_step, num_steps):
        assert num_steps <= max_steps
        lasting(per_step * int(num_steps))

    program = Program(
        begin=lambda *args: lasting(0.25),
        draw=lambda *args: lasting(per_call),
        steps=steps,
        measure=lambda *args: lasting(0.125),
        max_steps=max_steps,
        mesh=make_mesh(),
    )
    monkeypatch.setattr(costs, "device_bytes", lambda *args: 100)
    monkeypatch.setattr(costs, "time", SimpleNamespace(perf_counter=lambda: now))
    return measure_cost(program, {"x": np.zeros(6)}, 0, None, limit=1e9)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "costs"


FOUR, EIGHT = Cost(4, 400, 0.5, 0.25, 0.125, 1.0), Cost(8, 800, 0.75, 0.5, 0.25, 1.5)


def test_costs_are_read_where_they_were_written(folder):
    first, second = CostFile("a", 2, 10), CostFile("a", 2, 10)
    assert first.read() == {}
    first.add(EIGHT)
    second.add(FOUR)
    assert CostFile("a", 2, 10).read() == {4: FOUR, 8: EIGHT}
    again = EIGHT._replace(step=0.5)
    first.add(again)
    assert second.read() == {4: FOUR, 8: again}
    assert all(isinstance(cost, Cost) for cost in second.read().values())
    assert len(list(folder.iterdir())) == 1, "nothing temporary is left"


def test_each_program_has_its_own_file(folder):
    CostFile("a", 2, 10).add(FOUR)
    for other in (("b", 2, 10), ("a", 3, 10), ("a", 2, 11)):
        assert CostFile(*other).read() == {}, other


def test_each_set_of_flags_has_its_own_file(folder, monkeypatch):
    CostFile("a", 2, 10).add(FOUR)
    monkeypatch.setenv("XLA_FLAGS", "--something")
    assert CostFile("a", 2, 10).read() == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        b"[[8, 800, 0.5, 0.5, 0.5",
        b"null",
        b"7",
        b'"costs"',
        b'{"lanes": 8}',
        b"[[8, 800]]",
        b"[[8, 800, 1, 1, 1, 1, 1]]",
        b'[[8, 800, "fast", 1, 1, 1]]',
        b"[[8, 800, null, 1, 1, 1]]",
        b"[[8, Infinity, 1, 1, 1, 1]]",
        b"[[[8], 800, 1, 1, 1, 1]]",
        b"[[]]",
        b"[" * 100_000,
    ],
    ids=lambda content: content[:30].decode(errors="replace") or "empty",
)
def test_damaged_file_holds_nothing_and_is_replaced(folder, content):
    file = CostFile("a", 2, 10)
    file.add(EIGHT)
    (path,) = folder.iterdir()
    path.write_bytes(content)
    assert file.read() == {}
    file.add(FOUR)
    assert file.read() == {4: FOUR}
    assert json.loads(path.read_bytes()) == [list(FOUR)]


def test_folder_that_cannot_be_written_to_keeps_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path / "file"))
    file = CostFile("a", 2, 10)
    file.add(FOUR)
    assert file.read() == {}
