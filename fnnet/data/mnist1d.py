"""Generate MNIST-1D: ten hand-drawn curves, padded, stretched, shifted, sheared and noisy.

With only 40 features, it separates linear models (32 % accuracy), fully connected networks (68 %) and convolutional
networks (94 %). Source: S. Greydanus and D. Kobak, "Scaling down deep learning with MNIST-1D", ICML 2024,
arXiv:2011.14439; the published data set has seed 42.
"""

import numpy as np
from jaxtyping import Float, Int

from fnnet.data.arrays import Arrays
from fnnet.data.assemble import from_arrays
from fnnet.data.dataset import Dataset
from fnnet.data.split import check_fraction
from fnnet.errors import InputError, check_integer

_NUM_FEATURES = 40

# One row per class, 0 to 9: the height of a pen that draws the digit from top to bottom in 12 steps.
_STROKES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
_PADDING = (36, 60)  # minimum and maximum number of zeros after a stroke
_LENGTH = _STROKES.shape[1] + _PADDING[1]  # of a signal before subsampling
_MAX_SHIFT = 48
_AMPLITUDE_SPREAD = 0.4
_SHEAR_SPREAD = 0.75
_SMOOTH_NOISE = 0.25  # standard deviation of the noise in the padding before smoothing
_SMOOTH_WIDTH = 2  # of the smoothing Gaussian, in samples
_WHITE_NOISE = 0.02


def make_mnist1d(
    num_samples: int = 5000,
    train_fraction: float = 0.8,
    seed: int = 42,
    *,
    validation_fraction: float = 0.0,
    num_train: int | None = None,
    split_seed: int | None = 0,
) -> Dataset:
    """Build an MNIST-1D data set of any size.

    Args:
        num_samples: the number of examples, a multiple of 10; classes are balanced.
        train_fraction: fraction of the examples for training and validation; the rest is the test split.
        seed: seed of the generator. The defaults of the first three arguments give the published examples.
        validation_fraction, num_train, split_seed: as in `from_arrays` with a test split.

    Returns:
        The data set, with 40 float32 features and 10 classes.

    Raises:
        InputError: if an argument is out of range.

    Example:
        >>> data = make_mnist1d(num_samples=50, train_fraction=0.6)
        >>> data.train.inputs.shape, data.test.inputs.shape
        ((30, 40), (20, 40))
    """
    return from_arrays(
        **mnist1d_arrays(num_samples, train_fraction, seed)._asdict(),
        name="mnist1d",
        validation_fraction=validation_fraction,
        num_train=num_train,
        split_seed=split_seed,
    )


def mnist1d_arrays(num_samples: int = 5000, train_fraction: float = 0.8, seed: int = 42) -> Arrays:
    """Build the arrays of an MNIST-1D data set, in the published order and split.

    The arguments are those of `make_mnist1d`.

    Example:
        >>> arrays = mnist1d_arrays(num_samples=50, train_fraction=0.6)
        >>> arrays.inputs.shape, arrays.test[1].shape
        ((30, 40), (20,))
    """
    check_fraction("train_fraction", train_fraction)
    signals, labels = generate(num_samples, seed)
    inputs = signals.astype(np.float32)
    end = int(num_samples * train_fraction)
    return Arrays(
        inputs[:end],
        labels[:end],
        test=(inputs[end:], labels[end:]),
        feature_names=[f"time_{i}" for i in range(_NUM_FEATURES)],
        class_names=[str(digit) for digit in range(10)],
    )


def generate(
    num_samples: int = 5000, seed: int = 42
) -> tuple[Float[np.ndarray, "n features"], Int[np.ndarray, " n"]]:
    """Generate the signals and classes of MNIST-1D, in the published order, from arguments of `make_mnist1d`.

    Returns:
        Float64 signals `[n, 40]`, with mean 0 and standard deviation 1 over all values, and classes `[n]`.

    Raises:
        InputError: if an argument is out of range.

    Example:
        >>> signals, labels = generate(20)
        >>> signals.shape, sorted(labels.tolist())[:4]
        ((20, 40), [0, 0, 1, 1])
    """
    from scipy.ndimage import gaussian_filter1d  # slow to import

    check_integer("num_samples", num_samples, minimum=10)
    check_integer("seed", seed, minimum=0)
    if num_samples % 10:
        raise InputError(f"num_samples must be a multiple of 10, one for each class, got {num_samples}")
    # The published data come from NumPy's legacy generator; newer ones give different numbers.
    random = np.random.RandomState(seed)
    labels = np.repeat(np.arange(10), num_samples // 10)
    signals, smooth, white, shear = _draw(random, _templates()[labels])
    signals = np.where(signals != 0, signals, gaussian_filter1d(smooth, _SMOOTH_WIDTH, axis=1)) + white
    signals -= shear[:, None] * np.linspace(-0.5, 0.5, _LENGTH)
    signals = _subsample(signals)
    order = random.permutation(num_samples)
    signals = signals[order]
    return (signals - signals.mean()) / signals.std(), labels[order]


def _templates() -> Float[np.ndarray, "classes steps"]:
    """Return the strokes, each scaled to a standard deviation of 1/6 and shifted to start at 0."""
    normal = (_STROKES - _STROKES.mean(axis=1, keepdims=True)) / _STROKES.std(axis=1, keepdims=True)
    # Exact zeros mark the padding, which gets smooth noise, so strokes must not contain any.
    return (normal - normal[:, :1]) / 6 + 1e-8


def _draw(
    random: np.random.RandomState, templates: Float[np.ndarray, "n steps"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw in the order of the original: signals and two kinds of noise `[n, length]`, and slopes `[n]`."""
    num_samples = len(templates)
    signals, smooth, white = np.empty((3, num_samples, _LENGTH))
    shear = np.empty(num_samples)
    low, high = _PADDING
    for i, template in enumerate(templates):
        padding = low + int(random.rand() * (high - low + 1))
        padded = np.concatenate([template, np.zeros(padding)])
        stretched = np.interp(np.linspace(0, 1, _LENGTH), np.linspace(0, 1, len(padded)), padded)
        amplitude = 1 + _AMPLITUDE_SPREAD * (random.rand() - 0.5)
        signals[i] = np.roll(stretched * amplitude, random.randint(_MAX_SHIFT))
        smooth[i] = _SMOOTH_NOISE * random.standard_normal(_LENGTH)
        white[i] = _WHITE_NOISE * random.standard_normal(_LENGTH)
        shear[i] = _SHEAR_SPREAD * (random.rand() - 0.5)
    return signals, smooth, white, shear


def _subsample(signals: Float[np.ndarray, "n length"]) -> Float[np.ndarray, "n features"]:
    """Interpolate each signal linearly at evenly spaced points, ends included."""
    position = np.linspace(0, _LENGTH - 1, _NUM_FEATURES)
    left = np.minimum(position.astype(int), _LENGTH - 2)
    weight = position - left
    return (1 - weight) * signals[:, left] + weight * signals[:, left + 1]
