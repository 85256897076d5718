"""Every engine, and parts that are merged, return the same bits."""

import everywhere
import pytest

# Of the engines' own libraries: sockets and processes that they leave to the end of the process.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
NUM_RATES = 3


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    sweep = everywhere.sweep(NUM_RATES, store=tmp_path_factory.mktemp("here"))
    return everywhere.hash_of(sweep), everywhere.hash_of(everywhere.halving(NUM_RATES))


@pytest.mark.parametrize("name", sorted(everywhere.ENGINES.keys() - {"local"}))
def test_engine_returns_the_bits_of_this_process(name, expected, tmp_path):
    module = {"dask": "distributed"}.get(name, name)
    if name != "processes":
        pytest.importorskip(module, reason=f"{module} is not installed")
    with everywhere.ENGINES[name]() as engine:
        sweep = everywhere.sweep(NUM_RATES, engine=engine, store=tmp_path / "sweep")
        halving = everywhere.halving(NUM_RATES, engine=engine, store=tmp_path / "halving")
    assert (everywhere.hash_of(sweep), everywhere.hash_of(halving)) == expected


def test_parts_that_are_merged_are_the_whole(expected, tmp_path):
    assert everywhere.hash_of(everywhere.in_parts(NUM_RATES, tmp_path)) == expected[0]
