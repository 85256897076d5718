"""The catalog says what the data sets hold."""

import gzip

import pytest

import fnnet as fn
from fnnet.data.catalog import read_catalog
from fnnet.data.image_sources import MNIST


def test_every_named_data_set_is_listed():
    assert [entry.name for entry in read_catalog()] == fn.list_datasets()


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "iris", "mnist1d", "wine"])
def test_sizes_are_those_of_the_data(name):
    data = fn.load_dataset(name)
    (entry,) = [entry for entry in read_catalog() if entry.name == name]
    assert entry.num_examples == data.train.num_examples + data.test.num_examples
    assert (entry.num_features, entry.num_classes) == (data.num_features, len(data.class_names))
    assert entry.is_here


def test_images_are_here_once_all_their_files_are(tmp_path, monkeypatch):
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FNNET_DATA", str(tmp_path / "data"))

    def here():
        return {entry.name: entry.is_here for entry in read_catalog()}

    (tmp_path / "cache" / "mnist").mkdir(parents=True)
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for file in MNIST.files[:3]:
        (tmp_path / "cache" / "mnist" / file.name).write_bytes(b"")
    assert not here()["mnist"] and not here()["fashion_mnist"]
    (tmp_path / "data" / "mnist" / f"{MNIST.files[3].name}.gz").write_bytes(gzip.compress(b""))
    assert here()["mnist"] and not here()["fashion_mnist"]
