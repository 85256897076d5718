"""Classical classifiers against scikit-learn called by hand."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

import fnnet as fn


@pytest.mark.slow
def test_accuracies_match_scikit_learn() -> None:
    datasets = [fn.load_dataset("digits", num_train=num) for num in (100, 300)]
    found = fn.studies.classical.accuracies(["SVM", "naive Bayes"], datasets)
    expected = [
        [np.mean(each.fit(*data.train).predict(data.test.inputs) == data.test.targets) for each in (SVC(C=10), GaussianNB())]
        for data in datasets
    ]  # fmt: skip
    np.testing.assert_array_equal(found, expected)


def test_invalid_classifiers_and_data_are_refused() -> None:
    with pytest.raises(fn.InputError, match="random forest"):
        fn.studies.classical.accuracies(["random forst"], [fn.load_dataset("iris")])
    with pytest.raises(fn.InputError, match=r"diabetes.*must be classes"):
        fn.studies.classical.accuracies(["SVM"], [fn.load_dataset("diabetes")])
