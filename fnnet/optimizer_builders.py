"""Optimizers by name, and as functions of hyper-parameters, so that `optimizer=sgd,adam` can be an axis of a sweep."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeGuard

import jax

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams, check_range
from fnnet.names import OPTIMIZERS
from fnnet.optimizers import RANGES, Optimizer, Transformation, clip_by_global_norm, sgd
from fnnet.schedules import SCHEDULES, keywords_of, whole_run
from fnnet.types import OptState, Params, Updates

OptimizerChoice = str | Transformation | Callable[[Hparams], Transformation]
"""What tasks accept: a name in `OPTIMIZERS`, any optimizer, or a function from hyper-parameters to one."""


def from_hparams(
    optimizer: object, *names: str, schedule: str = "constant", **fixed: Any
) -> Callable[[Hparams], Transformation]:
    """Turn a function whose keywords are hyper-parameters into a function from hyper-parameters to an optimizer.

    Args:
        optimizer: a name in `OPTIMIZERS`, or a function that returns an optimizer, such as `optax.adamw`.
        *names: the hyper-parameters to read, all of them required. By default, all numbers that the function takes, of
            which only those without a default are required. Besides its own, every function takes `max_norm`, the
            largest global norm of the gradient, and every schedule `warmup_fraction` (see `schedules.whole_run`).
        schedule: "constant", "cosine", "linear" or "step": how `learning_rate` changes. All but "constant" without a
            warmup read the hyper-parameter `num_steps`, the length of the run.
        **fixed: arguments that are the same in all runs.

    Raises:
        InputError: when a name is unknown; and from the function, when a hyper-parameter is missing or out of range.

    Example:
        >>> import optax
        >>> build = from_hparams(optax.lion, "learning_rate", "weight_decay", b2=0.9)
        >>> optimizer = build(Hparams({"learning_rate": 0.1, "weight_decay": 0.01}))
        >>> params, grads = jax.numpy.ones(2), jax.numpy.array([-0.3, 0.5])
        >>> updates, _ = optimizer.update(grads, optimizer.init(params), params)
        >>> [round(float(update), 6) for update in updates]  # -0.1 * (sign(gradient) + 0.01 * params)
        [0.099, -0.101]
    """
    function = _function_of(optimizer) if isinstance(optimizer, str) else optimizer
    label = optimizer if isinstance(optimizer, str) else getattr(function, "__name__", "the optimizer")
    if not _is_builder(function):
        raise InputError(f"from_hparams needs a name or a function such as optax.adam, got {function!r}")
    if schedule not in SCHEDULES:
        raise unknown_name("schedule", schedule, SCHEDULES)
    required, optional = _numbers_of(function)
    of_schedule = {"warmup_fraction", *keywords_of(schedule)}
    takes = required | optional | of_schedule | {"max_norm"}
    for name in (*names, *fixed):
        if name not in takes and not _accepts(function, name):
            raise unknown_name(f"argument of {label}", name, takes)
    read_required = (set(names) if names else required) - set(fixed)
    read_optional = set() if names else takes - required - set(fixed)

    def build(hparams: Hparams) -> Transformation:
        given = fixed | {name: hparams[name] for name in sorted(read_required)}
        given |= {name: hparams[name] for name in sorted(read_optional) if hparams.get(name) is not None}
        for name, number in given.items():
            if name in RANGES:
                check_range(name, number, *RANGES[name])
        spanning = {name: given.pop(name) for name in of_schedule & given.keys()}
        max_norm = None if _accepts(function, "max_norm") else given.pop("max_norm", None)
        if schedule != "constant" or spanning:
            rate = given["learning_rate"]
            given["learning_rate"] = whole_run(schedule, rate, hparams["num_steps"], **spanning)
        built = function(**given)
        return built if max_norm is None else _clip(built, max_norm)

    return build


def make_builder(optimizer: object, schedule: str = "constant") -> Callable[[Hparams], Optimizer]:
    """Return a function from hyper-parameters to an optimizer whose errors are `InputError`.

    Args:
        optimizer: a name in `OPTIMIZERS`, an optimizer, or a function from hyper-parameters to one.
        schedule: the schedule of the learning rate, for an optimizer by name.

    Raises:
        InputError: when `optimizer` is none of these; and from the function, when it returns no optimizer, branches on
            a traced number, or returns an optimizer that needs more than gradients and parameters.

    Example:
        >>> build = make_builder(lambda hp: sgd(hp["learning_rate"]))
        >>> optimizer = build(Hparams({"learning_rate": 0.5}))
        >>> updates, _ = optimizer.update(jax.numpy.array(1.0), optimizer.init(jax.numpy.array(1.0)))
        >>> float(updates)
        -0.5
    """
    if isinstance(optimizer, str):
        optimizer = from_hparams(optimizer, schedule=schedule)
    elif schedule != "constant":
        raise InputError(
            f"schedule {schedule!r} is for an optimizer by name; otherwise use fn.from_hparams(optax.adam, "
            f"schedule={schedule!r})"
        )
    if isinstance(optimizer, Transformation):
        fixed = _with_input_errors(optimizer)
        return lambda hparams: fixed
    if not callable(optimizer):
        raise InputError(f"optimizer must be {_FORM}, got {optimizer!r}")
    function = optimizer

    def build(hparams: Hparams) -> Optimizer:
        try:
            built = function(hparams)
        except _TRACER_ERRORS as error:
            raise InputError(
                "the optimizer branches on a traced hyper-parameter, whose value is unknown at compile time; use "
                "schedule=, fn.schedules or jnp.where, or an argument of the recipe, which is a static axis"
            ) from error
        if not isinstance(built, Transformation):
            raise InputError(f"optimizer must be {_FORM}, got a function that returns {built!r}")
        return _with_input_errors(built)

    return build


_FORM = "a name such as 'adam', an optimizer, or a function from hyper-parameters to one"

_TRACER_ERRORS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def _is_builder(given: object) -> TypeGuard[Callable[..., Transformation]]:
    return callable(given) and not isinstance(given, Transformation)


def _function_of(name: str) -> Callable[..., Transformation]:
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    if name == "sgd":
        return sgd
    import optax  # here, so that importing fnnet stays fast

    function = getattr(optax, name)

    @functools.wraps(function)
    def build(*args: Any, **options: Any) -> Optimizer:
        built = function(*args, **options)

        def update(grads: Updates, state: OptState, params: Params = None) -> tuple[Updates, OptState]:
            with jax.numpy_dtype_promotion("standard"):  # which optax relies on
                return built.update(grads, state, params)

        return Optimizer(built.init, update)

    return build


def _numbers_of(function: Callable[..., Any]) -> tuple[set[str], set[str]]:
    """Return the names of a function's numbers: those without a default, and those with one."""
    required, optional = set(), set()
    for name, parameter in inspect.signature(function).parameters.items():
        default = parameter.default
        if name == "learning_rate" or (default is parameter.empty and parameter.kind in _NAMED):
            required.add(name)
        elif name in RANGES or (isinstance(default, int | float) and not isinstance(default, bool)):
            optional.add(name)
    return required, optional


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _accepts(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _clip(optimizer: Transformation, max_norm: Any) -> Optimizer:
    def update(grads: Updates, state: OptState, params: Params = None) -> tuple[Updates, OptState]:
        return optimizer.update(clip_by_global_norm(grads, max_norm), state, params)

    return Optimizer(optimizer.init, update)


def _with_input_errors(optimizer: Transformation) -> Optimizer:
    """Raise `InputError` from updates that need more than gradients, state and parameters."""

    def update(grads: Updates, state: OptState, params: Params = None) -> tuple[Updates, OptState]:
        try:
            return optimizer.update(grads, state, params)
        # optax.lbfgs needs the value of the loss, optax.lookahead two copies of params.
        except (TypeError, AttributeError) as error:
            if isinstance(error, TypeError) and "required keyword-only argument" not in str(error):
                raise
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"the optimizer needs more than gradients and parameters ({reason}); use it in a Task of your own"
            ) from error

    return Optimizer(optimizer.init, update)
