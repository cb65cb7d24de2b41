"""The package as a whole: its names, its version, what importing it costs."""

import inspect
import pathlib
import subprocess
import sys

import rlax_like as rlax


def test_all_is_complete():  # The linter keeps it sorted.
    public = {n for n, v in vars(rlax).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert len(set(rlax.__all__)) == len(rlax.__all__)
    assert set(rlax.__all__) - {"__version__"} == public


def test_every_function_has_a_docstring_with_an_example():
    for name in rlax.__all__:
        thing = getattr(rlax, name)
        if inspect.isfunction(thing):
            assert thing.__doc__, name
            assert ">>>" in thing.__doc__, name


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_needs_jax_and_numpy_alone():
    allowed = "{'jax', 'jaxlib', 'numpy', 'rlax_like'}"
    code = (
        "import sys, jax, jax.numpy\n"
        "before = set(sys.modules)\n"
        "import rlax_like\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        f"print(sorted(new - {allowed} - set(sys.stdlib_module_names)))"
    )
    assert run(code) == "[]"


def test_importing_runs_no_computation():
    # A platform can be chosen until the first computation; this choice fails where it is still open.
    code = (
        "import rlax_like, jax\n"
        "jax.config.update('jax_platforms', 'none_such')\n"
        "try: jax.devices()\n"
        "except RuntimeError: print('no backend was initialized')"
    )
    assert run(code) == "no backend was initialized"


def test_the_changelog_begins_with_this_version():
    changelog = pathlib.Path(__file__).parents[1] / "CHANGELOG.md"
    versions = [line for line in changelog.read_text().splitlines() if line.startswith("## ")]
    assert versions[0].split()[1] == rlax.__version__
