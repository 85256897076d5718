"""What several tests of searches with Optuna look at."""

import pytest

import fnnet as fn
import fnnet.search.optuna as interop


@pytest.fixture
def calls(monkeypatch):
    """Record the number of runs of the space of every sweep."""
    sizes = []

    def counted(recipe, space, *args, **options):
        sizes.append(len(space))
        return fn.sweep(recipe, space, *args, **options)

    monkeypatch.setattr(interop, "sweep", counted)
    return sizes
