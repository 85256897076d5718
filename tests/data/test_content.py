"""Content hashes: equal data have equal hashes on host and device, and different data have different ones."""

import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.data.content import content_hash, leaf_hashes

X = np.arange(15, dtype=np.float32).reshape(5, 3)


def test_leaf_hashes_include_dtype_and_shape():
    expected = hashlib.sha256(b"float32 (5, 3)\n" + X.tobytes()).hexdigest()
    assert leaf_hashes((X,)) == {"[0]": expected}
    assert leaf_hashes((jnp.asarray(X),)) == {"[0]": expected}
    assert leaf_hashes((np.asfortranarray(X),)) == {"[0]": expected}
    assert leaf_hashes((np.repeat(X, 2, axis=1)[:, ::2],)) == {"[0]": expected}


def test_different_data_have_different_hashes():
    changed = X.copy()
    changed[4, 1] = np.nextafter(changed[4, 1], np.float32(99))
    trees = [
        (X,),
        (changed,),
        (X.reshape(3, 5),),
        (X.view(np.int32),),
        (X.astype(np.float64),),
        (X, X),
        [[X]],
        {"x": X},
        {"y": X},
        {"x": jnp.asarray(X, jnp.bfloat16)},
        {"x": jax.random.key(3)},
        {"x": "text"},
        None,
        (X[:0],),
    ]
    assert len({content_hash(tree) for tree in trees}) == len(trees)


def test_functions_cannot_be_hashed():
    with pytest.raises(fn.InputError, match=r"numbers or strings, got function at \"\['x'\]\""):
        content_hash({"x": content_hash})


def test_hash_of_a_dataset_depends_on_its_arrays():
    data = fn.load_dataset("iris")
    moved = jax.tree.map(lambda leaf: leaf + 1, data)
    replaced = dataclasses.replace(data, train=data.test)
    assert len({data.hash, moved.hash, replaced.hash}) == 3
    assert jax.tree.map(jnp.asarray, data).hash == data.hash
    assert list(leaf_hashes(data)) == ["train.inputs", "train.targets", "test.inputs", "test.targets"]
