"""Classical classifiers against scikit-learn called by hand."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

import fnnet as fn


@pytest.mark.slow
def test_accuracies_are_those_of_each_classifier_alone() -> None:
    datasets = [fn.load_dataset("digits", num_train=num) for num in (100, 300)]
    found = fn.classical.accuracies(["SVM", "naive Bayes"], datasets)
    expected = [
        [np.mean(each.fit(*data.train).predict(data.test.inputs) == data.test.targets) for each in (SVC(C=10), GaussianNB())]
        for data in datasets
    ]  # fmt: skip
    np.testing.assert_array_equal(found, expected)


def test_what_cannot_be_classified_is_refused() -> None:
    with pytest.raises(fn.InputError, match="random forest"):
        fn.classical.accuracies(["random forst"], [fn.load_dataset("iris")])
    with pytest.raises(fn.InputError, match=r"diabetes.*expected classes"):
        fn.classical.accuracies(["SVM"], [fn.load_dataset("diabetes")])
