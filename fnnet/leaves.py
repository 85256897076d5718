"""Leaves: the arrays of a pytree by name.

The name of a leaf is its path: "0/w" is the entry "w" of the first item.
"""

from collections.abc import Callable, Mapping
from typing import Any


def name_leaves(tree: Any) -> dict[str, Any]:
    """Return the leaves of a pytree of dicts, lists and tuples by name, in their order.

    Example:
        >>> name_leaves([{"w": 1, "b": 2}, {"w": 3}])
        {'0/b': 2, '0/w': 1, '1/w': 3}
    """
    import jax  # which readers of a store do without

    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def nest_leaves(leaves: Mapping[str, Any]) -> Any:
    """Rebuild nested dicts and lists from leaves by name; children that are all numbered become a list.

    Example:
        >>> nest_leaves({"0/w": 1, "0/b": 2, "1/w": 3})
        [{'w': 1, 'b': 2}, {'w': 3}]
    """
    if list(leaves) == [""]:
        return leaves[""]
    branches: dict[str, dict[str, Any]] = {}
    for name, leaf in leaves.items():
        first, _, rest = name.partition("/")
        branches.setdefault(first, {})[rest] = leaf
    children = {name: nest_leaves(branch) for name, branch in branches.items()}
    if all(name.isdecimal() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


def to_plain(tree: Any) -> Any:
    """Convert a pytree of modules to nested dicts and lists, the form in which parameters are stored."""
    return nest_leaves(name_leaves(tree))


def from_plain(plain: Any, like: Any, convert: Callable[[Any], Any] = to_plain) -> Any:
    """Convert the result of `convert(tree)` back to a pytree with the structure of `like`.

    Example:
        >>> import collections
        >>> Point = collections.namedtuple("Point", ["x", "y"])
        >>> from_plain({"x": 3, "y": 4}, like=Point(0, 0))
        Point(x=3, y=4)
    """
    import jax

    # Indices in place of leaves show where each leaf goes, since the two trees may order their leaves differently.
    leaves, definition = jax.tree.flatten(like)
    indices = convert(jax.tree.unflatten(definition, range(len(leaves))))

    def put(index: int, leaf: Any) -> None:
        leaves[index] = leaf

    jax.tree.map(put, indices, plain)
    return jax.tree.unflatten(definition, leaves)
