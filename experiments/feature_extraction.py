"""What features made by hand give to classical classifiers, and a network does without.

The article says that deep learning saves the extraction of features. So one network is given pixels, and five
classical classifiers are given pixels, or their first principal components, or histograms of oriented
gradients (Dalal & Triggs 2005). All have 10,000 training examples, of MNIST and of Fashion-MNIST, with each
feature standardized over them; the classifiers have the settings of the Fashion-MNIST benchmark (Xiao, Rasul
& Vollgraf 2017), which are best for pixels. Published values are theirs, or from their list of results, for
all 60,000 examples.

Means over seeds come with the 95 % interval of Student's t. The classical classifiers are fitted once.

Run `python experiments/feature_extraction.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import optax
from sklearn.decomposition import PCA

import fnnet as fn
from claiming import Claim, above
from reporting import Findings, main

PUBLISHED = {
    "mnist": {"others": "0.972, random forest 0.970", "SVM": "0.972, SVM 0.976"},
    "fashion_mnist": {
        "others": "0.871, random forest 0.873",
        "SVM": "0.871, SVM 0.897",
        "by hand": "network of 256-128-100 0.883, SVM with oriented gradients 0.926",
    },
}


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    datasets: of square images.
    num_components: how many principal components are kept.
    cell_size: of the histograms of oriented gradients, in pixels.
    """

    datasets: tuple[str, ...] = ("mnist", "fashion_mnist")
    num_train: int = 10_000
    classifiers: tuple[str, ...] = tuple(fn.studies.classical.CLASSIFIERS)
    num_components: int = 50
    cell_size: int = 4
    hidden: tuple[int, ...] = (100,)
    num_steps: int = 2000
    num_seeds: int = 5


SMOKE = Config(
    datasets=("digits",),
    num_train=200,
    classifiers=("naive Bayes", "SVM"),
    num_components=10,
    cell_size=2,
    num_steps=20,
    num_seeds=2,
)


class Found(NamedTuple):
    """Test accuracies on one data set.

    network: of each seed, on pixels.
    classical: by features and classifier.
    """

    network: np.ndarray
    classical: dict[str, dict[str, float]]


def extract(data: fn.Dataset, config: Config) -> dict[str, fn.Dataset]:
    """Build the data sets that have each kind of features as inputs."""
    side = round(data.num_features**0.5)

    def gradients(inputs: np.ndarray) -> np.ndarray:
        return fn.studies.classical.hog(inputs.reshape(-1, side, side), cell_size=config.cell_size)

    components = PCA(config.num_components, random_state=0).fit(data.train.inputs).transform
    functions = {"pixels": np.asarray, "principal components": components, "oriented gradients": gradients}
    splits = {
        name: [examples._replace(inputs=function(examples.inputs)) for examples in (data.train, data.test)]
        for name, function in functions.items()
    }
    return {
        name: fn.from_arrays(*train, test=test, class_names=data.class_names, standardize=True)
        for name, (train, test) in splits.items()
    }


def train_network(pixels: fn.Dataset, config: Config) -> np.ndarray:
    network = fn.mlp(
        pixels.num_features, config.hidden, pixels.num_outputs, "relu", initializer="glorot_uniform"
    )

    def recipe() -> fn.Task:
        return fn.supervised(network, "cross_entropy", optimizer=optax.adam(1e-3), batch_size=200)

    space = fn.grid(seed=range(config.num_seeds))
    results = fn.sweep(recipe, space, pixels, num_steps=config.num_steps, show_progress=True)
    return results["test_accuracy"]


def compare(name: str, config: Config) -> Found:
    data = fn.load_dataset(name, num_train=config.num_train)
    features = extract(data, config)
    found = fn.studies.classical.accuracies(config.classifiers, list(features.values()), show_progress=True)
    rows = [dict(zip(config.classifiers, row, strict=True)) for row in found.tolist()]
    return Found(train_network(features["pixels"], config), dict(zip(features, rows, strict=True)))


def make_claims(name: str, found: Found) -> list[Claim]:
    network = fn.mean_interval(found.network)
    pixels, *others = found.classical.values()
    by_hand = {each: max(other[each] for other in others) for each in pixels}
    gains = {each: by_hand[each] - pixels[each] for each in pixels}
    without_svm = max(accuracy for each, accuracy in pixels.items() if each != "SVM")
    published = PUBLISHED.get(name, {})

    def ahead(claim: str, key: str, of: dict[str, float], most: float) -> Claim:
        """Claim that the network is ahead of some classifiers."""
        return Claim(f"{name}: {claim}", published.get(key), {"network": network, **of}, network.mean > most)

    on_pixels, extracted = "on pixels the network is ahead of", "features made by hand"
    return [
        ahead(f"{on_pixels} each classical classifier but the SVM", "others", pixels, without_svm),
        ahead(f"{on_pixels} the SVM, too", "SVM", pixels, pixels["SVM"]),
        above(f"{name}: the gain of each classical classifier from {extracted}", 0, gains),
        ahead(f"{on_pixels} all with {extracted}", "by hand", by_hand, max(by_hand.values())),
    ]


def measure(config: Config) -> Findings:
    found = {name: compare(name, config) for name in config.datasets}
    return [claim for name, each in found.items() for claim in make_claims(name, each)], found


if __name__ == "__main__":
    main(measure, SMOKE)
