import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fnnet as fn
from fnnet.batches import make_batches


def dataset(num_examples):
    """Make a data set whose inputs and targets are the numbers of their rows."""
    inputs = np.arange(2 * num_examples, dtype=np.float32).reshape(num_examples, 2)
    examples = fn.Examples(inputs, np.arange(num_examples, dtype=np.int32))
    return fn.Dataset(examples, examples, None, "rows", ("a", "b"), ("one", "two"))


def drawn(batches, seed, num_examples, first, num_steps):
    """Draw in one program, since a dozen little ones take longer to compile."""
    return jax.jit(batches.draw, static_argnums=3)(seed, dataset(num_examples), first, num_steps)


sizes = st.tuples(st.integers(2, 40), st.integers(1, 40)).filter(lambda pair: pair[1] <= pair[0])


@pytest.mark.slow
@settings(max_examples=12)
@given(sizes, st.integers(0, 3))
def test_batches_partition_an_epoch(size, epoch):
    num_examples, batch_size = size
    steps = num_examples // batch_size
    rows = drawn(make_batches(batch_size), 5, num_examples, epoch * steps, steps)
    assert rows.shape == (steps, batch_size)
    seen = np.sort(np.ravel(rows))
    assert len(np.unique(seen)) == steps * batch_size and seen.min() >= 0 and seen.max() < num_examples


@pytest.mark.slow
@settings(max_examples=12)
@given(
    order=st.sampled_from(["shuffled", "sequential", "with_replacement"]),
    size=sizes,
    first=st.integers(0, 50),
    num_steps=st.integers(1, 20),
)
def test_batches_do_not_depend_on_where_a_segment_begins(order, size, first, num_steps):
    batches = make_batches(size[1], order)
    whole = drawn(batches, 3, size[0], 0, first + num_steps)
    np.testing.assert_array_equal(whole[first:], drawn(batches, 3, size[0], first, num_steps))


def test_epochs_and_seeds_differ():
    draw = make_batches(4).draw
    first, second = draw(0, dataset(12), 0, 6).reshape(2, 12)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, draw(1, dataset(12), 0, 3).ravel())


def test_sequential_batches_are_cyclic():
    rows = make_batches(4, "sequential").draw(0, dataset(10), 3, 5)
    expected = [[(step * 4 + i) % 10 for i in range(4)] for step in range(3, 8)]
    np.testing.assert_array_equal(rows, expected)
    # 2^30 steps of 4 rows each do not fit int32; the rows must still be right
    late = make_batches(4, "sequential").draw(0, dataset(10), 2**30, 1)
    np.testing.assert_array_equal(late, [[(2**30 * 4 + i) % 10 for i in range(4)]])


def test_with_replacement_is_uniform():
    rows = make_batches(50, "with_replacement").draw(0, dataset(5), 0, 2000)
    counts = np.bincount(np.ravel(rows), minlength=5)
    assert abs(counts / counts.sum() - 0.2).max() < 0.005  # four standard errors


def test_full_batches_are_all_examples():
    batches, data = make_batches(None), dataset(7)
    assert batches.select(data, batches.draw(0, data, 0, 4)) is data.train


def test_select_takes_the_rows_of_inputs_and_targets():
    batch = make_batches(3).select(dataset(6), jnp.array([5, 0, 2]))
    np.testing.assert_array_equal(batch.inputs, [[10, 11], [0, 1], [4, 5]])
    np.testing.assert_array_equal(batch.targets, [5, 0, 2])


def test_impossible_batches_are_refused():
    with pytest.raises(fn.InputError, match="batch_size is 9, larger than the 8 training examples"):
        make_batches(9).draw(0, dataset(8), 0, 1)
    with pytest.raises(fn.InputError, match="did you mean 'shuffled'"):
        make_batches(4, "shufled")
    for wrong in (0, -1, True):
        with pytest.raises(fn.InputError, match="batch_size must be"):
            make_batches(wrong)
