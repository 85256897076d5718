"""Baselines: classical classifiers and histograms of oriented gradients.

The classifiers are scikit-learn's, with the settings of Xiao, Rasul & Vollgraf (2017), "Fashion-MNIST", table 3, and
its defaults for what the table does not state. Fits run in parallel on all processor cores.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from rich.progress import track
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.parallel import Parallel, delayed

from fnnet.data import Dataset, Examples
from fnnet.errors import InputError
from fnnet.names import lookup

_BLOCK = 2  # side of a normalization block, in cells
_CLIP = 0.2  # largest normalized feature, before it is renormalized
CLASSIFIERS: dict[str, Any] = {
    "naive Bayes": GaussianNB(),
    "logistic regression": LogisticRegression(tol=1e-3, max_iter=1000),
    "decision tree": DecisionTreeClassifier(criterion="entropy", max_depth=10, random_state=0),
    "random forest": RandomForestClassifier(criterion="entropy", max_depth=100, random_state=0),
    "SVM": SVC(C=10),  # with a Gaussian kernel
}
FASHION_MNIST = {
    "naive Bayes": 0.511,
    "logistic regression": 0.842,
    "decision tree": 0.798,
    "random forest": 0.873,
    "SVM": 0.897,
}
"""The test accuracies of table 3, after training on all 60,000 examples of Fashion-MNIST."""


def accuracies(
    classifiers: Sequence[str], datasets: Sequence[Dataset], *, show_progress: bool = False
) -> Float[np.ndarray, "datasets classifiers"]:
    """Compute the test accuracy of each classifier on each data set.

    Args:
        classifiers: names in `CLASSIFIERS`.
        datasets: data sets for classification.
        show_progress: whether to show a progress bar.

    Returns:
        The accuracies, in [0, 1], one row per data set.

    Raises:
        InputError: when a name is unknown, or a data set has no classes.

    Example:
        >>> from fnnet import load_dataset
        >>> accuracies(["naive Bayes", "SVM"], [load_dataset("iris")]).round(2).tolist()
        [[0.9, 0.9]]
    """
    for data in datasets:
        if not data.is_classification:
            raise InputError(f"targets of data set {data.name!r} must be classes, got numbers")
    estimators = [clone(lookup("classifier", each, CLASSIFIERS)) for each in classifiers]
    fits = [delayed(_test_accuracy)(each, data.train, data.test) for data in datasets for each in estimators]
    found = Parallel(n_jobs=-1, return_as="generator")(fits)
    progress = track(found, "classical", total=len(fits), disable=not show_progress)
    return np.array(list(progress)).reshape(len(datasets), len(estimators))


def hog(
    images: Float[np.ndarray, "n height width"], *, cell_size: int = 7, num_orientations: int = 9
) -> Float[np.ndarray, "n features"]:
    """Compute histograms of oriented gradients (HOG).

    Each pixel votes for the two nearest orientation bins, weighted by its gradient's magnitude and by linear
    interpolation. Votes are summed over square cells. Overlapping blocks of 2 x 2 cells are normalized to a Euclidean
    norm of 1, clipped at 0.2 and renormalized. Orientations are unsigned. Gradients are central differences, and 0 on
    the image's border.

    Args:
        images: images of one channel.
        cell_size: side of a cell in pixels, which must divide height and width.
        num_orientations: number of bins over 180 degrees.

    Returns:
        The features in [0, 1], `(cells down - 1) * (cells across - 1) * 4 * num_orientations` per image.

    Raises:
        InputError: when `cell_size` does not divide height and width, or an image has fewer than two cells per side.

    Example:
        >>> step = np.zeros((1, 14, 14))
        >>> step[:, :, 7:] = 1.0
        >>> hog(step).shape, hog(step).reshape(4, 9).argmax(axis=1).tolist()
        ((1, 36), [0, 0, 0, 0])

    Source: Dalal & Triggs (2005), "Histograms of oriented gradients for human detection", without interpolation
    between cells.
    """
    num_images, height, width = images.shape
    if height % cell_size or width % cell_size or min(height, width) < _BLOCK * cell_size:
        raise InputError(
            f"cell_size must divide {height} x {width} images into at least {_BLOCK} x {_BLOCK} cells, got {cell_size}"
        )
    down, across = np.zeros((2, *images.shape), images.dtype)
    down[:, 1:-1] = (images[:, 2:] - images[:, :-2]) / 2
    across[:, :, 1:-1] = (images[:, :, 2:] - images[:, :, :-2]) / 2
    size = np.hypot(down, across)
    orientation = np.arctan2(down, across) / np.pi * num_orientations  # in bins

    def votes(number: int) -> Any:
        distance = np.abs(
            (orientation - number + num_orientations / 2) % num_orientations - num_orientations / 2
        )
        vote = size * np.maximum(1 - distance, 0)
        cells = num_images, height // cell_size, cell_size, width // cell_size, cell_size
        return vote.reshape(cells).sum(axis=(2, 4))

    histograms = np.stack([votes(number) for number in range(num_orientations)], axis=-1)
    blocks = sliding_window_view(histograms, (_BLOCK, _BLOCK), axis=(1, 2))
    features = blocks.transpose(0, 1, 2, 4, 5, 3).reshape(*blocks.shape[:3], -1)
    features = _normalized(np.minimum(_normalized(features), _CLIP))
    return features.reshape(num_images, -1)


def _test_accuracy(estimator: Any, train: Examples, test: Examples) -> float:
    return float(estimator.fit(*train).score(*test))


def _normalized(features: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.maximum(norm, np.finfo(features.dtype).tiny))
