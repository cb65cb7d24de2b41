"""What outlives a run: checkpoints of all that training needs, by Orbax, and parameters alone, as safetensors."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import safetensors
import safetensors.numpy

Params = dict[str, dict[str, Any]]

SEPARATOR = " "
"""Between a module's name and a parameter's in a safetensors file; no name has it."""


class Checkpoints:
    """The checkpoints of a run, in a folder; those of several processes are one.

    Args:
      folder: Where they are; made where it is not there.
      settings: What must be the same where training goes on: anything that JSON holds.
      keep: How many of the newest are kept.

    Example:
      >>> import pathlib, tempfile, jax.numpy as jnp
      >>> from integration_tests.agents._checkpoint import Checkpoints
      >>> with tempfile.TemporaryDirectory() as folder, Checkpoints(pathlib.Path(folder), {"size": 2}) as checkpoints:
      ...     checkpoints.save(7, {"w": jnp.ones(2)})
      ...     checkpoints.newest(), checkpoints.restore(7, {"w": jnp.zeros(2)})
      (7, {'w': Array([1., 1.], dtype=float32)})
    """

    def __init__(self, folder: pathlib.Path, settings: Mapping[str, Any], keep: int = 3):
        self._folder = folder.absolute()
        self._settings = dict(settings)
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def newest(self) -> int | None:
        """Returns the step of the newest checkpoint that is whole, or None for none."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Saves a tree of arrays; when it returns, the checkpoint is whole."""
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_keys_to_data(state)), settings=ocp.args.JsonSave(self._settings)
        )
        self._manager.save(step, args=items)
        self._manager.wait_until_finished()

    def restore(self, step: int, like: Any) -> Any:
        """Returns what was saved, with the structure and the placement of `like`.

        Raises:
          ValueError: there is no such checkpoint, it cannot be read, or it was made with other settings.
        """
        try:
            saved = self._manager.restore(step, args=ocp.args.Composite(settings=ocp.args.JsonRestore()))["settings"]
        except Exception as error:  # Orbax raises whatever its storage does.
            raise ValueError(f"checkpoint {step} in {self._folder} cannot be read: {error}") from error
        for name in sorted({*saved, *self._settings}):
            if saved.get(name) != self._settings.get(name):
                raise ValueError(
                    f"checkpoint {step} in {self._folder} was made with {name} {saved.get(name)}, expected "
                    f"{self._settings.get(name)}. Use the same settings, or another folder."
                )
        try:
            args = ocp.args.Composite(state=ocp.args.StandardRestore(_keys_to_data(like)))
            state = self._manager.restore(step, args=args)["state"]
        except Exception as error:
            raise ValueError(f"checkpoint {step} in {self._folder} cannot be read: {error}") from error
        return _data_to_keys(state, like)


def export_params(params: Mapping[str, Mapping[str, Any]], path: pathlib.Path) -> None:
    """Writes parameters `{module: {name: array}}` as a safetensors file.

    Raises:
      ValueError: the parameters are no such dictionary.
    """
    tensors = {}
    for module, names in read_haiku(params).items():
        for name, array in names.items():
            # Transposed arrays would be written in the order of their memory.
            tensors[f"{module}{SEPARATOR}{name}"] = np.ascontiguousarray(array).reshape(np.shape(array))
    safetensors.numpy.save_file(tensors, path)


def import_params(path: pathlib.Path, like: Mapping[str, Mapping[str, Any]] | None = None) -> Params:
    """Returns the parameters that a safetensors file holds.

    Args:
      path: The file.
      like: Parameters whose names, shapes and types must be those of the file, where given.

    Raises:
      ValueError: the file is no safetensors file, was not written by `export_params`, or holds other parameters.
      FileNotFoundError: there is no such file.
    """
    try:
        tensors = safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error
    params: Params = {}
    for full_name, array in tensors.items():
        module, separator, name = full_name.rpartition(SEPARATOR)
        if not separator:
            raise ValueError(f"{path} holds {full_name!r}, expected a module's name, a space and a parameter's name.")
        params.setdefault(module, {})[name] = array
    if like is not None:
        _check_like(params, like, str(path))
    return params


def read_haiku(params: Any) -> Params:
    """Returns a dm-haiku parameter dictionary as plain dictionaries of NumPy arrays.

    dm-haiku's parameters are a plain dictionary, or a mapping of mappings that cannot be changed, such as an old
    checkpoint holds; both have the names and shapes of ours.

    Raises:
      ValueError: it is no mapping of mappings of arrays.

    Example:
      >>> from integration_tests.agents._checkpoint import read_haiku
      >>> read_haiku({"linear": {"b": [0.0, 1.0]}})
      {'linear': {'b': array([0., 1.])}}
    """
    if not isinstance(params, Mapping):
        raise ValueError(f"parameters are a {type(params).__name__}, expected a mapping {{module: {{name: array}}}}.")
    plain: Params = {}
    for module, names in params.items():
        if not isinstance(module, str) or not isinstance(names, Mapping):
            raise ValueError(f"parameters hold {module!r}: {type(names).__name__}, expected a name and a mapping.")
        plain[module] = {}
        for name, value in names.items():
            array = np.asarray(value) if not isinstance(value, Mapping) else np.array(None)
            if not isinstance(name, str) or SEPARATOR in name or array.dtype == object:
                raise ValueError(f"parameters of {module} hold {name!r}: {type(value).__name__}, expected an array.")
            plain[module][name] = array
    return plain


def _check_like(params: Params, like: Mapping[str, Mapping[str, Any]], source: str) -> None:
    have, expected = (
        {f"{module}/{name}": (np.shape(x), str(x.dtype)) for module, names in tree.items() for name, x in names.items()}
        for tree in (params, like)
    )
    for name in sorted({*have, *expected}):
        if have.get(name) != expected.get(name):
            raise ValueError(
                f"{source} holds {name} as {have.get(name, 'nothing')}, expected {expected.get(name, 'nothing')}. The "
                "parameters are those of another network."
            )


def is_key(x: Any) -> bool:
    """Whether a value is a random key, or an array of them."""
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _keys_to_data(tree: Any) -> Any:
    """Random keys as integers, which every version of Orbax stores."""
    return jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, tree)


def _data_to_keys(tree: Any, like: Any) -> Any:
    return jax.tree.map(
        lambda x, old: jax.random.wrap_key_data(x, impl=jax.random.key_impl(old)) if is_key(old) else x, tree, like
    )
