"""`render_dot`: a picture of a graph, by Graphviz."""

import os
import pathlib

_FORMATS = (".svg", ".png", ".pdf")


def render_dot(graph: str, path: str | os.PathLike[str]) -> None:
    """Draws a graph into a file, by the program `dot` of Graphviz, which must be installed.

    Args:
      graph: What `hk.to_dot` returned, or any other text in the language DOT.
      path: The file to write, which ends in `.svg`, `.png` or `.pdf`.

    Raises:
      TypeError: `graph` is no text.
      ValueError: the file has another ending, or `graph` is not in the language.
      FileNotFoundError: there is no program `dot`, or no such folder.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp, shutil, tempfile
      >>> graph = hk.to_dot(jnp.tanh)(jnp.ones(8))
      >>> if shutil.which("dot"):
      ...     with tempfile.TemporaryDirectory() as folder:
      ...         hk.experimental.render_dot(graph, f"{folder}/tanh.svg")
    """
    import shutil
    import subprocess

    if not isinstance(graph, str):
        raise TypeError(
            f"render_dot: graph is of type {type(graph).__name__}, expected text in the language DOT. Call what "
            f"hk.to_dot returns: hk.to_dot(f)(*args)."
        )
    path = pathlib.Path(path)
    if path.suffix not in _FORMATS:
        raise ValueError(f"render_dot: path is {str(path)!r}, expected one that ends in {', '.join(_FORMATS)}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"render_dot: path is {str(path)!r}, expected a folder that exists. Make it first.")
    program = shutil.which("dot")
    if program is None:
        raise FileNotFoundError(
            "render_dot: the program dot was not found, expected Graphviz to be installed. Install it, by "
            "`apt install graphviz` or `brew install graphviz`, or paste the text of hk.to_dot into a viewer of DOT."
        )
    command = [program, f"-T{path.suffix[1:]}"]
    done = subprocess.run(command, input=graph.encode(), capture_output=True, check=False)
    if done.returncode:
        raise ValueError(
            f"render_dot: graph could not be drawn, expected what hk.to_dot returns. dot says: "
            f"{done.stderr.decode(errors='replace').strip()}"
        )
    path.write_bytes(done.stdout)
