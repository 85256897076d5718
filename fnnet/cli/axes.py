"""Axes: the axes of `mlp_recipe`, listed here so that the command line knows them without loading JAX."""

AXES = (
    *("depth", "width", "activation", "initializer", "parameterization", "base_width", "use_bias", "loss"),
    *("batch_size", "order", "optimizer", "schedule", "nesterov", "keep_best", "learning_rate", "seed"),
    *("data_seed", "momentum"),
    *("weight_decay", "max_norm", "b1", "b2", "eps", "decay", "warmup_fraction", "final_factor"),
    *("step_factor", "step_fraction", "dropout"),
)
"""The axes of `mlp_recipe`, whose import is slow."""

AXES_HELP = """\
fnnet sweep depth=1,2,4 learning_rate=log:1e-3:10:16 seed=range:4

An axis of a sweep is a name and its values; the last axis changes fastest.

  depth=1,2,4                   a list of numbers, names, or yes and no
  learning_rate=log:1e-3:10:16  16 geometrically spaced numbers from 0.001 to 10
  weight_decay=lin:0:0.1:3      3 evenly spaced numbers from 0 to 0.1
  seed=range:4                  0, 1, 2, 3; also range:START:STOP[:STEP]
  widths=[[16,16],[128]]        tuples, for recipes of your own

Values of a traced axis share one compiled program: learning_rate, seed,
data_seed, dropout, max_norm, warmup_fraction, and the numbers of the optimizer
and the schedule.

Each value of a static axis is compiled separately: depth, width, activation,
initializer, parameterization (standard, ntk, or mup with base_width), use_bias,
loss, batch_size (an integer or full), order, optimizer, schedule, nesterov,
keep_best (validation_loss keeps the parameters of the evaluation where it was
lowest; with --eval-every and --validation-fraction), and num_steps.

Optimizers: sgd (numbers: momentum, weight_decay), and optax's adabelief,
adadelta, adagrad, adam, adamax, adamaxw, adamw, adan, amsgrad, lion, nadam,
nadamw, radam, rmsprop, rprop, sign_sgd, yogi (numbers as optax names them: b1,
b2, eps, decay, weight_decay and so on).

Schedules, after a linear warmup over warmup_fraction of the steps: constant;
cosine and linear, to final_factor (default 0) times learning_rate; step, times
step_factor (default 0.1) every step_fraction (default 1/3) of the steps.

A recipe of your own has other axes: fnnet sweep --recipe MODULE:FUNCTION --help"""
"""What `fnnet help axes` prints."""
