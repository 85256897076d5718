"""Where the chunks of a sweep train: in this process, or on the workers of an executor or of Ray."""

from fnnet.engines.engine import Engine
from fnnet.engines.executors import executor
from fnnet.engines.ray_actors import ray
from fnnet.engines.this_process import local
from fnnet.records.attempts import read_attempts

__all__ = ["Engine", "executor", "local", "ray", "read_attempts"]
