"""The parameters and state of every program of the table: paths, names, shapes and dtypes, committed as JSON.

`python -m integration_tests.parity.golden` writes the files anew. They are read by a test, so that no rename and no
change of shape slips in: checkpoints depend on them.
"""

import json
import pathlib
from typing import Any

import jax

import haiku_like as hk
from integration_tests.parity.programs import Program

FOLDER = pathlib.Path(__file__).parent


def layout(program: Program) -> dict[str, dict[str, str]]:
    """Returns `{"params" or "state": {"path/name": "dtype[shape]"}}` of a program."""
    transformed = hk.transform_with_state(lambda *args: program.run(hk, *args))
    params, state = jax.eval_shape(transformed.init, jax.random.PRNGKey(42), *program.args)
    return {"params": _described(params), "state": _described(state)}


def _described(tree: Any) -> dict[str, str]:
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {
        "/".join(str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path): (
            f"{leaf.dtype}{list(leaf.shape)}"
        )
        for path, leaf in leaves
    }


def read(family: str) -> dict[str, Any]:
    """Returns the committed layouts of a family of programs."""
    return json.loads((FOLDER / f"{family}.json").read_text())
