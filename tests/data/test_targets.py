"""Classes or numbers: how the task is inferred."""

import numpy as np
import pytest

from fnnet.data.targets import infer_targets


@pytest.mark.parametrize(
    ("values", "classes", "note"),
    [
        ([7, 1, 2, 1], ("1", "2", "7"), "task: classification, 3 different whole numbers"),
        ([0.0, 2.0, 1.0, 2.0], ("0", "1", "2"), "task: classification, 3 different whole numbers"),
        ([0.5, 1.0, 2.0], (), None),
        (list(range(21)) * 99, (), "task: regression, 21 different whole numbers"),
        (
            list(range(21)) * 100,
            tuple(map(str, range(21))),
            "task: classification, 21 different whole numbers",
        ),
        ([True, False, True], ("false", "true"), None),
        (["b", "a", "b"], ("a", "b"), None),
        ([[0, 1], [1, 0], [1, 0]], ("0", "1"), "task: classification, one-hot targets"),
        ([[0, 2], [1, 0], [1, 0]], (), None),
    ],
)
def test_task_is_inferred_and_noted(values, classes, note):
    targets = infer_targets({"targets": np.array(values)})
    assert targets.class_names == classes
    assert targets.notes == (() if note is None else (note,))
    if classes and np.ndim(values) == 1:
        spelled = [classes[label] for label in targets.arrays[0]]
        assert spelled == [str(v).lower() if isinstance(v, bool | str) else str(int(v)) for v in values]


def test_task_can_be_given():
    whole = np.array([3, 1, 4, 1, 5])
    assert infer_targets({"y": whole}, "classification").notes == ()
    numbers = infer_targets({"y": whole}, "regression")
    np.testing.assert_array_equal(numbers.arrays[0], whole.reshape(-1, 1))
    assert numbers.class_names == () and numbers.arrays[0].dtype == np.float64


def test_splits_share_their_classes():
    targets = infer_targets({"targets": np.array([9, 3]), "test_targets": np.array([5, 9, 3])})
    assert targets.class_names == ("3", "5", "9")
    assert [part.tolist() for part in targets.arrays] == [[2, 0], [1, 2, 0]]
