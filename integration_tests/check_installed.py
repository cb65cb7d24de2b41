"""Checks a package that was installed from its wheel: `python check_installed.py PACKAGE`, outside the checkout."""

import importlib
import importlib.metadata
import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]


def main(package: str) -> None:
    """Raises unless the package is complete, stands alone and computes."""
    sys.path.pop(0)  # The folder of this file.
    module = importlib.import_module(package)
    origin = pathlib.Path(str(module.__file__))
    assert ROOT not in origin.parents, f"{package} was imported from the checkout: {origin}"

    version = importlib.metadata.version(package.replace("_", "-"))
    assert version == module.__version__, (version, module.__version__)
    needs = importlib.metadata.requires(package.replace("_", "-")) or []
    assert sorted(r.split(">")[0] for r in needs if "extra" not in r) == ["jax", "numpy"], needs
    files = {str(f) for f in importlib.metadata.files(package.replace("_", "-")) or []}
    assert f"{package}/py.typed" in files
    tops = {f.split("/")[0] for f in files if not f.startswith("..")}
    assert tops == {package, f"{package}-{version}.dist-info"}, tops
    assert any(f.endswith("licenses/LICENSE") for f in files)
    other = "rlax_like" if package == "haiku_like" else "haiku_like"
    assert importlib.util.find_spec(other) is None, f"{other} is installed too"

    import jax
    import jax.numpy as jnp

    if package == "haiku_like":
        forward = module.transform(lambda x: module.nets.MLP([4, 2])(x))
        params = forward.init(jax.random.key(0), jnp.ones([1, 3]))
        assert forward.apply(params, jnp.ones([1, 3])).shape == (1, 2)
    else:
        q = jnp.array([1.0, 2.0])
        assert module.q_learning(q, 0, 1.0, 0.5, q) == 1.0
    print(f"{package} {version} stands alone: {origin}")


if __name__ == "__main__":
    main(sys.argv[1])
