"""What a sweep reports while it runs."""

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.sweeps.events import Began, Committed, Compiled, Evaluated, Finished, Planned, Segment

TASK = fn.Task(
    init=lambda key, hp, data: jnp.float32(hp["start"]),
    step=lambda key, hp, w, batch: (0.5 * w, {"loss": w**2}),
    measure=lambda hp, w, data: {"train_loss": w**2},
)


def test_events_come_in_order_and_add_up():
    events = []
    space = fn.grid(start=[1.0, 2.0, 3.0, 4.0, 5.0])
    options = {"num_steps": 6, "eval_every": 4, "lanes": 1, "on_event": events.append}
    results = fn.sweep(lambda: TASK, space, None, **options)
    kinds = [type(event) for event in events]
    chunk = [Segment, Evaluated, Segment, Evaluated, Committed]  # to the steps 4 and 6
    assert kinds == [Compiled, Compiled, Planned, Began, *3 * chunk, Finished]  # of 2, 2 and 1 runs
    (flops,) = events[2].step_flops.values()
    assert events[2] == Planned(5, 0, 30, "train_loss", False, ["start"], 1, 3, events[2].step_flops, None)
    assert flops == 0, "it has no matrix product"
    assert [event.step for event in events if isinstance(event, Segment)] == 3 * [4, 6]
    evaluated = [event for event in events if isinstance(event, Evaluated) and event.step == 6]
    ids = [run_id for event in evaluated for run_id in event.spec.run_ids]
    assert ids == space.ids().tolist()
    last = np.concatenate([event.point["train_loss"] for event in evaluated])
    np.testing.assert_array_equal(last, results["train_loss"])
    np.testing.assert_allclose(last, (np.arange(1, 6) * 0.5**6) ** 2, rtol=1e-6)
    assert sum(len(event.rows["id"]) for event in events if isinstance(event, Committed)) == 5


def test_error_of_a_listener_ends_the_sweep_and_keeps_finished_chunks(tmp_path):
    committed = []

    def stop(event):
        if isinstance(event, Committed):
            committed.extend(event.rows["id"])
            if len(committed) == 4:
                raise RuntimeError("enough")

    def sweep(**options):
        return fn.sweep(lambda: TASK, fn.grid(start=[1.0, 2.0, 3.0, 4.0, 5.0]), None, num_steps=2, **options)

    with pytest.raises(RuntimeError, match="enough"):
        sweep(lanes=1, store=tmp_path, on_event=stop)
    assert fn.open_results(tmp_path)["id"].tolist() == committed
