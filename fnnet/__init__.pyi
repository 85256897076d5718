__version__: str

# Data
from . import data as data
from .data import Dataset as Dataset
from .data import Examples as Examples
from .data import from_arrays as from_arrays
from .data import list_datasets as list_datasets
from .data import load_dataset as load_dataset

# Networks
from . import initializers as initializers
from . import parameterizations as parameterizations
from .network import Network as Network
from .network import mlp as mlp
from .parameterizations import mup as mup
from .stacked_layers import unstack as unstack

# Training
from . import losses as losses
from . import metrics as metrics
from . import schedules as schedules
from .batches import Batches as Batches
from .batches import make_batches as make_batches
from .fitting import autoencoder as autoencoder
from .fitting import supervised as supervised
from .hparams import Hparams as Hparams
from .objectives import function_task as function_task
from .objectives import objective_task as objective_task
from .optimizer_builders import from_hparams as from_hparams
from .optimizers import Optimizer as Optimizer
from .optimizers import apply_updates as apply_updates
from .optimizers import scale_updates as scale_updates
from .optimizers import sgd as sgd
from .recipes import mlp_recipe as mlp_recipe
from .task import Task as Task
from .training import Run as Run
from .training import train as train

# Which runs
from .space.designs import Choice as Choice
from .space.designs import IntUniform as IntUniform
from .space.designs import LogUniform as LogUniform
from .space.designs import Uniform as Uniform
from .space.designs import random_design as random_design
from .space.designs import sobol_design as sobol_design
from .space.grids import grid as grid
from .space.grids import zip_axes as zip_axes
from .space.space import Space as Space
from .space.space import union as union
from .space.values import linspace as linspace
from .space.values import logspace as logspace

# Sweeps and searches: recipe, space, data, in this order
from . import engines as engines
from .search.halving import successive_halving as successive_halving
from .search.hyperband import hyperband as hyperband
from .sweeps.execution import execute as execute
from .sweeps.execution import sweep as sweep
from .sweeps.merging import merge_stores as merge_stores
from .sweeps.options import Options as Options
from .sweeps.prepare import prepare as prepare
from .sweeps.verify import verify as verify

# Results
from .records.results import Results as Results
from .records.rows import open_results as open_results
from .records.statistics import MeanInterval as MeanInterval
from .records.statistics import mean_interval as mean_interval
from .report import plots as plots
from .report import tables as tables

# Trained networks, theory and studies
from . import analysis as analysis
from . import evaluation as evaluation
from . import studies as studies
from .evaluation.ensembles import ensemble as ensemble
from .evaluation.evaluate import evaluate as evaluate
from .evaluation.evaluate import evaluate_results as evaluate_results

# Errors
from .errors import InputError as InputError
