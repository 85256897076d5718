from .assemble import from_arrays as from_arrays
from .dataset import Dataset as Dataset
from .dataset import Examples as Examples
from .mnist1d import make_mnist1d as make_mnist1d
from .scaling import standardize_examples as standardize_examples
from .sources import list_datasets as list_datasets
from .sources import load_dataset as load_dataset
