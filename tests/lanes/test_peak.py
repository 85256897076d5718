"""The peak of the devices."""

import jax
import numpy as np

from fnnet.lanes import peak
from fnnet.lanes.cost import count_flops
from fnnet.lanes.program import make_mesh


def test_better_time_of_all_devices_counts(monkeypatch):
    monkeypatch.setattr(peak, "CPU_SIZE", 48)
    seconds = iter([10.0, 13.0, 20.0, 22.0])  # 3 s, then 2 s
    monkeypatch.setattr(peak.time, "perf_counter", lambda: next(seconds))
    mesh = make_mesh()
    assert mesh.size == jax.local_device_count() == 2
    flops = mesh.size * count_flops(lambda x: x @ x, np.ones((48, 48), np.float32))
    assert peak.measure_peak(mesh) == flops / 2
