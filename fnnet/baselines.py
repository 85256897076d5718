"""Classical classifiers to compare networks with: scikit-learn's, each with the settings that a benchmark found best.

The settings are those of Xiao, Rasul & Vollgraf (2017), "Fashion-MNIST", table 3; what it leaves open is as in
scikit-learn. Unlike a sweep's networks they are fitted one by one, on as many processor cores as there are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
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
"""The accuracies that the benchmark gives for them, with all 60,000 examples of Fashion-MNIST."""


def accuracies(
    classifiers: Sequence[str], datasets: Sequence[Dataset], *, show_progress: bool = False
) -> Float[np.ndarray, "datasets classifiers"]:
    """Fit each classifier to the training split of each data set, and measure its accuracy on the test split.

    Args:
        classifiers: names in `CLASSIFIERS`.
        datasets: of classes.
        show_progress: show how many are done.

    Returns:
        The accuracies.

    Raises:
        InputError: when a name is unknown, or a data set has no classes; before anything is fitted.

    Example:
        >>> from fnnet import load_dataset
        >>> accuracies(["naive Bayes", "SVM"], [load_dataset("iris")]).round(2).tolist()
        [[0.9, 0.9]]
    """
    for data in datasets:
        if not data.is_classification:
            raise InputError(f"data {data.name!r} has numbers for targets, expected classes")
    estimators = [clone(lookup("classifier", each, CLASSIFIERS)) for each in classifiers]
    fits = [delayed(_test_accuracy)(each, data.train, data.test) for data in datasets for each in estimators]
    found = Parallel(n_jobs=-1, return_as="generator")(fits)
    progress = track(found, "classical", total=len(fits), disable=not show_progress)
    return np.array(list(progress)).reshape(len(datasets), len(estimators))


def _test_accuracy(estimator: Any, train: Examples, test: Examples) -> float:
    return float(estimator.fit(*train).score(*test))
