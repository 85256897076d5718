"""Spaces of arbitrary configurations, as hypothesis draws them."""

from hypothesis import strategies as st

from fnnet.space.grids import zip_axes
from fnnet.space.space import union

VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0, 0.0, -0.0, 1, 1.0, 2**60, 2.0**60])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda values: st.lists(values, max_size=3).map(tuple),
    max_leaves=4,
)
CONFIGS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1), min_size=1, max_size=6)


def space_of(configs):
    """Make the space of some configurations, each with axes of its own."""
    return union(*(zip_axes(**{name: [value] for name, value in config.items()}) for config in configs))


def exact(space):
    """Show configurations so that 1, 1.0 and True differ."""
    return [repr(config) for config in space]
