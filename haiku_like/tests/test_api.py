"""The package as a whole: its names, its version, what importing it costs."""

import inspect
import pathlib
import subprocess
import sys

import pytest

import haiku_like as hk

NAMESPACES = [hk, *(m for m in map(vars(hk).get, hk.__all__) if inspect.ismodule(m))]


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda m: m.__name__)
def test_all_is_complete(namespace):  # The linter keeps it sorted.
    assert len(set(namespace.__all__)) == len(namespace.__all__)
    assert all(hasattr(namespace, name) for name in namespace.__all__)
    own = {n for n, v in vars(namespace).items() if getattr(v, "__module__", None) == namespace.__name__}
    assert {n for n in own if not n.startswith("_")} <= set(namespace.__all__)


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda m: m.__name__)
def test_everything_public_has_a_docstring_with_an_example(namespace):
    for name in namespace.__all__:
        thing = getattr(namespace, name)
        if inspect.isfunction(thing) or (inspect.isclass(thing) and thing.__module__.startswith("haiku_like")):
            assert thing.__doc__, name
            is_plain = issubclass(thing, (Exception, tuple)) if inspect.isclass(thing) else False
            assert is_plain or ">>>" in thing.__doc__, name


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_needs_jax_and_numpy_alone():
    allowed = "{'jax', 'jaxlib', 'numpy', 'haiku_like'}"
    code = (
        "import sys, jax, jax.numpy\n"
        "before = set(sys.modules)\n"
        "import haiku_like\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        f"print(sorted(new - {allowed} - set(sys.stdlib_module_names)))"
    )
    assert run(code) == "[]"


def test_importing_runs_no_computation():
    # A platform can be chosen until the first computation; this choice fails where it is still open.
    code = (
        "import haiku_like, jax\n"
        "jax.config.update('jax_platforms', 'none_such')\n"
        "try: jax.devices()\n"
        "except RuntimeError: print('no backend was initialized')"
    )
    assert run(code) == "no backend was initialized"


def test_the_changelog_begins_with_this_version():
    changelog = pathlib.Path(__file__).parents[1] / "CHANGELOG.md"
    versions = [line for line in changelog.read_text().splitlines() if line.startswith("## ")]
    assert versions[0].split()[1] == hk.__version__
