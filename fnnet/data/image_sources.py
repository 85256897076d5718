"""Where MNIST and Fashion-MNIST are found: 70,000 grayscale images of 28 x 28 pixels each, in four IDX files.

Sources: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998); H. Xiao,
K. Rasul and R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747.
"""

import os
from pathlib import Path
from typing import NamedTuple

from fnnet.data.download import PinnedFile


class ImageSource(NamedTuple):
    """Where to find a set of images, and what its files contain.

    name: the name of the data set and of its folder in the cache.
    folders: possible names of its folder in `$FNNET_DATA`.
    mirrors: URLs that end in "/", tried in order.
    class_names: one name per label.
    files: images and labels for training, then for testing.
    """

    name: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    class_names: tuple[str, ...]
    files: tuple[PinnedFile, ...]


def _files(*sha256: str) -> tuple[PinnedFile, ...]:
    sizes = {
        "train-images-idx3-ubyte": 47_040_016,
        "train-labels-idx1-ubyte": 60_008,
        "t10k-images-idx3-ubyte": 7_840_016,
        "t10k-labels-idx1-ubyte": 10_008,
    }
    return tuple(map(PinnedFile, sizes.keys(), sizes.values(), sha256))


MNIST = ImageSource(
    "mnist",
    ("mnist",),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    tuple(str(digit) for digit in range(10)),
    _files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

FASHION_MNIST = ImageSource(
    "fashion_mnist",
    ("fashion_mnist", "fashion-mnist"),
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    _files(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


def data_folder() -> Path | None:
    """Return the folder of the user's own copies, `$FNNET_DATA`, or None if it is not set."""
    folder = os.environ.get("FNNET_DATA")
    return Path(folder) if folder else None
