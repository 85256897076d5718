"""Load named data sets, files and arrays, each as an immutable `Dataset`."""

from fnnet.data.assemble import from_arrays as from_arrays
from fnnet.data.dataset import Dataset as Dataset
from fnnet.data.dataset import Examples as Examples
from fnnet.data.mnist1d import make_mnist1d as make_mnist1d
from fnnet.data.scaling import standardize_examples as standardize_examples
from fnnet.data.sources import list_datasets as list_datasets
from fnnet.data.sources import load_dataset as load_dataset
