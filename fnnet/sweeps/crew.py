"""Crews: the workers of an engine that hold the recipe and the data of one sweep."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from fnnet.engines.engine import Engine, result_of
from fnnet.lanes.cost import Cost
from fnnet.sweeps import worker
from fnnet.sweeps.plan import Plan
from fnnet.sweeps.sending import send
from fnnet.sweeps.worker import GroupSpec, Open, Worker, Workspace
from fnnet.task import Recipe
from fnnet.types import PyTree

MAX_ATTEMPTS = 3  # at a call whose worker was lost


class Crew(NamedTuple):
    """The workers that train a sweep.

    engine: that calls functions on them.
    open_workspace: returns the workspace of the sweep on a worker.
    worker: what the first one to answer is; all must be alike.
    """

    engine: Engine
    open_workspace: Open
    worker: Worker

    def measure(
        self, group: GroupSpec, columns: dict[str, list[float]], data_seed: Any, lanes: int, is_timed: bool
    ) -> Cost:
        """Measure what some number of lanes costs on a worker, see `worker.measure`."""
        arguments = group, columns, data_seed, lanes, is_timed
        return _ask(self.engine, worker.measure, self.open_workspace, self.worker, *arguments)

    def measure_peak(self) -> float:
        """Return the floating-point operations per second that a worker can do."""
        return _ask(self.engine, worker.measure_peak, self.open_workspace)

    def train(self, *arguments: Any) -> Future[Any]:
        """Have a worker train a chunk for a while; returns the future of what `worker.train` returns."""
        return self.engine.submit(worker.train, self.open_workspace, self.worker, *arguments)


def gather_crew(engine: Engine, recipe: Recipe, plan: Plan, data: PyTree) -> Crew:
    """Hand a recipe and its data to the workers of an engine, and wait for the first one to answer.

    Raises:
        InputError: when the recipe cannot be sent.
    """
    if engine.is_in_process:
        tasks = {repr(group.static): group.task for group in plan.groups}
        workspace = Workspace(lambda static: tasks[repr(static)], data, is_elsewhere=False)
        return Crew(engine, lambda: workspace, worker.describe(lambda: workspace))
    open_workspace = send(engine, recipe, data)
    return Crew(engine, open_workspace, _ask(engine, worker.describe, open_workspace))


def _ask(engine: Engine, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function on a worker and return its result; if the worker is lost, call it on another one."""
    for attempt in range(MAX_ATTEMPTS):
        try:
            return result_of(engine.submit(function, *args))
        except Exception as error:
            if attempt == MAX_ATTEMPTS - 1 or not engine.is_lost(error):
                raise
