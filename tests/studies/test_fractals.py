"""Box counting against shapes whose dimension is known."""

import numpy as np
import pytest

import fnnet as fn


def carpet(generations: int) -> np.ndarray:
    """Draw a set of dimension log 3 / log 2: places whose binary digits in x and y are never both 1."""
    places = np.arange(2**generations)
    return (places[:, None] & places) == 0


def test_straight_line_has_dimension_one() -> None:
    rows, columns = np.mgrid[:256, :256]
    assert fn.studies.fractals.box_dimension(rows < 100) == pytest.approx(1.0, abs=0.01)
    assert fn.studies.fractals.box_dimension(2 * rows < columns) == pytest.approx(1.0, abs=0.03)


def test_noise_fills_the_plane() -> None:
    noise = np.random.default_rng(0).random((256, 256)) < 0.5
    assert fn.studies.fractals.box_dimension(noise) == pytest.approx(2.0, abs=0.01)


def test_sierpinskis_triangle_has_its_dimension() -> None:
    # The corners around its single pixels make small boxes a little too many.
    assert fn.studies.fractals.box_dimension(carpet(9)) == pytest.approx(np.log(3) / np.log(2), abs=0.1)


def test_boundary_is_where_pixels_differ() -> None:
    picture = np.random.default_rng(1).random((9, 9)) < 0.7
    expected = [[len(np.unique(picture[i : i + 2, j : j + 2])) > 1 for j in range(8)] for i in range(8)]
    np.testing.assert_array_equal(fn.studies.fractals.find_boundary(picture), expected)


def test_without_boundary_there_is_no_dimension() -> None:
    assert np.isnan(fn.studies.fractals.box_dimension(np.ones((32, 32), bool)))
    with pytest.raises(fn.InputError, match="power of two of at least 32, got 48"):
        fn.studies.fractals.box_dimension(np.ones((48, 48), bool))


def test_picture_that_is_not_square_is_refused():
    with pytest.raises(fn.InputError, match=r"square, got shape \(64, 32\)"):
        fn.studies.fractals.box_dimension.__wrapped__(np.zeros((64, 32), bool))
