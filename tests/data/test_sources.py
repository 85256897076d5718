"""Named data sets."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from fnnet.cache import cache_folder
from fnnet.data import load_dataset
from fnnet.data.image_sources import FASHION_MNIST, MNIST, data_folder
from fnnet.errors import InputError

NAMED = [  # name, features, outputs, examples, standardized
    ("digits", 64, 10, 1797, False),
    ("iris", 4, 3, 150, True),
    ("wine", 13, 3, 178, True),
    ("breast_cancer", 30, 2, 569, True),
    ("diabetes", 10, 1, 442, True),
]


@pytest.mark.parametrize(("name", "num_features", "num_outputs", "num_examples", "standardized"), NAMED)
def test_named_datasets(name, num_features, num_outputs, num_examples, standardized):
    data = load_dataset(name)
    assert (data.name, data.num_features, data.num_outputs) == (name, num_features, num_outputs)
    assert data.train.num_examples + data.test.num_examples == num_examples
    assert data.test.num_examples == round(0.2 * num_examples) and data.validation is None
    assert data.is_classification == (name != "diabetes") and len(data.feature_names) == num_features
    assert data.train.inputs.dtype == np.float32
    assert np.allclose(data.train.inputs.std(axis=0), 1, atol=1e-4) == standardized
    assert load_dataset(name).hash == data.hash != load_dataset(name, split_seed=1).hash


@pytest.mark.parametrize("name", [row[0] for row in NAMED])
def test_named_datasets_match_scikit_learn(name):
    options = {"scaled": False} if name == "diabetes" else {}
    x, y = getattr(sklearn_datasets, f"load_{name}")(return_X_y=True, **options)
    data = load_dataset(name, standardize=False, validation_fraction=0.3)
    splits = (data.train, data.validation, data.test)
    got = np.concatenate([np.column_stack([s.inputs, s.targets]) for s in splits])
    expected = np.column_stack([x / 16 if name == "digits" else x, y]).astype(np.float32)
    np.testing.assert_array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])


def test_defaults():
    assert load_dataset().hash == load_dataset("digits").hash
    assert load_dataset().train.inputs.max() == 1
    targets = load_dataset("diabetes").train.targets
    np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=1e-5)


def test_names_ignore_case():
    assert load_dataset("Iris").hash == load_dataset("iris").hash


@pytest.mark.parametrize(
    "option", [{"target": "a"}, {"drop": ["a"]}, {"task": "regression"}, {"encode": False}]
)
def test_file_options_need_a_file(option):
    with pytest.raises(InputError, match=f"{next(iter(option))} is for files, but iris"):
        load_dataset("iris", **option)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minst", "unknown data set 'minst'; did you mean 'mnist'"),
        ("fashion-mnist", "did you mean 'fashion_mnist'"),
        ("absent.csv", "absent.csv: no such file"),
        ("some/folder", "a data file ends in .csv, .parquet, .npz, got no suffix"),
        ("data.xlsx", "a data file ends in .* got .xlsx"),
        (Path("iris"), "a data file ends in"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(InputError, match=message):
        load_dataset(name)


def own_copy(source):
    root = data_folder()
    folders = [root / name for name in source.folders] if root else []
    for folder in [*folders, cache_folder() / source.name]:
        if all(any((folder / f"{f.name}{end}").is_file() for end in ("", ".gz")) for f in source.files):
            return folder
    return None


def needs(*sources):
    missing = [source.name for source in sources if own_copy(source) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not in $FNNET_DATA or the cache")


@pytest.mark.parametrize(
    ("name", "mean", "std", "counts"),
    [
        # Means, deviations and counts as published, over the training split.
        pytest.param(
            "mnist",
            0.1307,
            0.3081,
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            marks=needs(MNIST),
        ),
        pytest.param("fashion_mnist", 0.2860, 0.3530, [6000] * 10, marks=needs(FASHION_MNIST)),
    ],
)
def test_images(name, mean, std, counts):
    data = load_dataset(name)
    assert (data.train.inputs.shape, data.test.inputs.shape) == ((60000, 784), (10000, 784))
    assert (data.num_outputs, data.name, len(data.class_names)) == (10, name, 10)
    assert np.bincount(data.train.targets).tolist() == counts
    np.testing.assert_allclose(data.train.inputs.mean(dtype=np.float64), mean, atol=5e-5)
    second_moment = np.square(data.train.inputs).mean(dtype=np.float64)
    np.testing.assert_allclose(np.sqrt(second_moment - mean**2), std, atol=1e-4)


@needs(MNIST)
def test_images_with_num_train():
    data = load_dataset("mnist", num_train=700, validation_fraction=0.1)
    assert (data.train.num_examples, data.validation.num_examples) == (700, 6000)


@needs(MNIST, FASHION_MNIST)
def test_files_of_another_set_are_ignored(tmp_path, monkeypatch):
    cache = tmp_path / "fashion_mnist"
    cache.symlink_to(own_copy(FASHION_MNIST).absolute())
    expected = load_dataset("fashion_mnist", num_train=9).hash
    monkeypatch.setenv("FNNET_DATA", str(own_copy(MNIST)))
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path))
    assert load_dataset("fashion_mnist", num_train=9).hash == expected
