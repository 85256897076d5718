"""A finished sweep, for the tests that go on from its store."""

import shutil

import pytest
from weight_sweeps import sweep

from fnnet.records.store import Store


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """A finished sweep of 6 runs in 3 chunks, to be copied."""
    folder = tmp_path_factory.mktemp("reference") / "store"
    return folder, sweep(folder)


@pytest.fixture
def store(reference, tmp_path):
    return Store(shutil.copytree(reference[0], tmp_path / "store"))
