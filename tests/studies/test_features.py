"""Hand-made features against loops over pixels, and what they must not depend on."""

import numpy as np
import pytest

import fnnet as fn


def slow_hog(image: np.ndarray, cell: int, num: int) -> np.ndarray:
    height, width = image.shape
    histograms = np.zeros((height // cell, width // cell, num))
    for i in range(height):
        for j in range(width):
            down = (image[i + 1, j] - image[i - 1, j]) / 2 if 0 < i < height - 1 else 0.0
            across = (image[i, j + 1] - image[i, j - 1]) / 2 if 0 < j < width - 1 else 0.0
            degrees = np.degrees(np.arctan2(down, across)) % 180
            below = int(degrees // (180 / num))
            share = degrees / (180 / num) - below
            for place, part in ((below % num, 1 - share), ((below + 1) % num, share)):
                histograms[i // cell, j // cell, place] += part * np.hypot(down, across)
    features = []
    for i in range(len(histograms) - 1):
        for j in range(histograms.shape[1] - 1):
            block = histograms[i : i + 2, j : j + 2].ravel()
            block = np.minimum(block / np.linalg.norm(block), 0.2)
            features.append(block / np.linalg.norm(block))
    return np.concatenate(features)


@pytest.mark.parametrize(("shape", "cell", "num"), [((12, 9), 3, 9), ((8, 12), 4, 6)])
def test_hog_matches_loops(shape: tuple[int, int], cell: int, num: int) -> None:
    images = np.random.default_rng(0).random((3, *shape))
    found = fn.studies.classical.hog(images, cell_size=cell, num_orientations=num)
    np.testing.assert_allclose(found, [slow_hog(image, cell, num) for image in images], rtol=1e-10)


def test_hog_does_not_depend_on_brightness_and_contrast() -> None:
    images = np.random.default_rng(0).random((2, 14, 14))
    np.testing.assert_allclose(
        fn.studies.classical.hog(5 * images + 3), fn.studies.classical.hog(images), rtol=1e-10
    )


def test_features_of_a_constant_image_are_0() -> None:
    assert not fn.studies.classical.hog(np.ones((1, 14, 14), np.float32)).any()


def test_cells_must_fill_the_image() -> None:
    with pytest.raises(fn.InputError, match=r"cell_size must divide 28 x 28 images.*got 5"):
        fn.studies.classical.hog(np.zeros((1, 28, 28)), cell_size=5)
