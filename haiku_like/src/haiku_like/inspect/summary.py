"""`eval_summary`: the calls of modules that a model makes, found without computing anything."""

from collections.abc import Callable
from typing import Any

import jax

from haiku_like._core.transform import Transformed, TransformedWithState
from haiku_like._transformed import with_state_and_key
from haiku_like.inspect.array_spec import split_arrays
from haiku_like.inspect.calls import MethodInvocation, recorded_calls


def eval_summary(
    f: Callable[..., Any] | Transformed | TransformedWithState,
) -> Callable[..., list[MethodInvocation]]:
    """Returns a function that lists every call of a method of a module in `f`, without computing anything.

    Args:
      f: A function that builds and calls modules, or what `hk.transform` or `hk.transform_with_state` made of one.

    Returns:
      A function of the arguments of `f` that returns a `MethodInvocation` for each call, in the order in which the
      calls begin. Arrays and `jax.ShapeDtypeStruct`s are looked at by shape and dtype alone; other arguments, such as
      True, are passed on as they are. Random keys are there for functions that ask for them.

    Raises:
      TypeError: `f` is neither.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> summary = hk.experimental.eval_summary(lambda x: hk.nets.MLP([4, 2])(x))(jnp.ones([8, 3]))
      >>> for call in summary:
      ...     print(call.module_details.module.module_name, call.args_spec, call.output_spec)
      mlp (f32[8,3],) f32[8,2]
      mlp/~/linear_0 (f32[8,3],) f32[8,4]
      mlp/~/linear_1 (f32[8,4],) f32[8,2]
    """
    return summarize("eval_summary", f)


def summarize(function: str, f: Any) -> Callable[..., list[MethodInvocation]]:
    """Does as `eval_summary`, on behalf of the public function that messages name."""
    model = with_state_and_key(function, "f", f)

    def summarized(*args: Any, **kwargs: Any) -> list[MethodInvocation]:
        arrays, rebuilt = split_arrays(args, kwargs)
        found: list[MethodInvocation] = []

        def run(arrays: list[Any]) -> None:
            args, kwargs = rebuilt(arrays)
            key = jax.random.key(0)
            params, state = model.init(key, *args, **kwargs)
            with recorded_calls() as calls:
                model.apply(params, state, key, *args, **kwargs)
            found.extend(calls)

        jax.eval_shape(run, arrays)
        return found

    return summarized
