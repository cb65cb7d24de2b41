"""Everything that is run on this repository. `nox -l` lists the sessions, `nox -s NAME` runs one."""

import os
import pathlib
import subprocess
import sys
import tempfile

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # Also where CI is set: an absent Python is skipped, by name.
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

ROOT = pathlib.Path(__file__).parent
PACKAGES = ["haiku_like", "rlax_like"]
PYTHONS = ["3.11", "3.12", "3.13"]
PER_PACKAGE = [nox.param(package, tags=[package], id=package) for package in PACKAGES]

# All sessions run on the CPU unless the environment says otherwise.
ENV = {"JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu")}

# Most of the tests' time is compilation: what one process has compiled, the next ones read. Delete the folder to
# compile anew; timings are measured without it.
COMPILED = {
    "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".nox" / "compiled")),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
}
# An entry that another process is writing is compiled instead of read, with this warning.
HALF_WRITTEN = ("-W", "ignore:Error reading persistent compilation cache entry:UserWarning")

# Tests compare numbers, not speed: compiled with little optimization, and by XLA's older emitters where it has them
# still, they take half the time. Those marked `optimized` are about the bits that users get, and compile as users do.
QUICKLY = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
OLDER_EMITTERS = "--xla_cpu_use_fusion_emitters=false"
MARKS = {
    "haiku_like": ["not optimized", "optimized"],
    "rlax_like": [""],
    "integration_tests": ["not (optimized or learn or distributed)", "optimized"],
}

# What all of haiku_like rests on: the core, and the modules that hand its frames to JAX.
CORE = ["_core", "test_autodiff.py", "test_batching.py", "test_control_flow.py", "test_custom_derivatives.py",
        "test_layer_stack.py", "test_mixed_precision.py", "test_tracing.py"]  # fmt: skip

FLAGS = {"leaks": "JAX_CHECK_TRACER_LEAKS", "keys": "JAX_DEBUG_KEY_REUSE", "x64": "JAX_ENABLE_X64"}


def group(project: str, name: str) -> tuple[str, ...]:
    """Returns the requirements of a dependency group of a folder's pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml(ROOT / project / "pyproject.toml"), name)


def editable(*packages: str) -> list[str]:
    """Returns the arguments that install packages of this repository in place."""
    return [argument for package in packages for argument in ("-e", str(ROOT / package))]


def install_all(session: nox.Session, *options: str) -> None:
    """Installs both packages, and what all the tests need."""
    groups = [*group("haiku_like", "tests"), *group("rlax_like", "tests"), *group("integration_tests", "tests")]
    session.install(*options, *editable(*PACKAGES), *groups)


def quickly(session: nox.Session) -> dict[str, str]:
    """Returns the variables with which little time goes into optimization."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {OLDER_EMITTERS}".strip()
    python = pathlib.Path(session.bin) / "python"
    # XLA ends a process that has a flag it does not know.
    known = subprocess.run([python, "-c", "import jax; jax.devices()"], env={**os.environ, **ENV, "XLA_FLAGS": flags},
                           capture_output=True, check=False).returncode == 0  # fmt: skip
    return {**QUICKLY, **({"XLA_FLAGS": flags} if known else {})}


def run_tests(session: nox.Session, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Runs the tests of a folder, or of some files in it, by the folder's own settings."""
    # Tests of one `xdist_group` share what is slow to make, and so a process. pytest's 5: no test is selected.
    command = ["pytest", "-n", "auto", "--dist", "loadgroup", *arguments, *HALF_WRITTEN]
    session.run(*command, env={**ENV, **COMPILED, **(env or {})}, success_codes=[0, 5] if session.posargs else [0])


def run_folder(session: nox.Session, folder: str, *arguments: str, but: str = "") -> None:
    """Runs all tests of a folder but those of a mark: quickly compiled, and then those that compile as users do."""
    marks, *optimized = (f"{marks} and not {but}" if but else marks for marks in MARKS[folder])
    run_tests(session, folder, "-m", marks, *arguments, env=quickly(session))
    for marks in optimized:
        run_tests(session, folder, "-m", marks, *arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests on the running Python and the newest jax: integration tests, then each package's where it is alone."""
    for package in PACKAGES:
        session.notify(f"unit({package})")
    install_all(session, "--upgrade-package", "jax")
    run_folder(session, "integration_tests", *session.posargs)


@nox.session
@nox.parametrize("package", PER_PACKAGE)
def unit(session: nox.Session, package: str) -> None:
    """One package's unit tests, in an environment without the other package."""
    session.install("--upgrade-package", "jax", *editable(package), *group(package, "tests"))
    other = next(name for name in PACKAGES if name != package)
    absent = f"import importlib.util as u, sys; sys.path.remove(''); assert u.find_spec('{other}') is None"
    session.run("python", "-c", absent, silent=True)
    run_folder(session, package, *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """The integration tests alone: both libraries together, beside dm-haiku and rlax, and in agents."""
    install_all(session, "--upgrade-package", "jax")
    run_folder(session, "integration_tests", *session.posargs)


@nox.session
def learn(session: nox.Session) -> None:
    """Every agent learns its task to its threshold, in some minutes."""
    install_all(session, "--upgrade-package", "jax")
    run_tests(session, "integration_tests", "-m", "learn", *session.posargs)


@nox.session
def distributed(session: nox.Session) -> None:
    """One training over several processes, and what happens when one of them is killed."""
    install_all(session, "--upgrade-package", "jax")
    # One after another: each test has processes of its own, which must not wait for a core for long.
    run_tests(session, "integration_tests", "-m", "distributed", "-n", "0", *session.posargs)


@nox.session
@nox.parametrize("flag", [nox.param(flag, tags=["haiku_like"], id=name) for name, flag in FLAGS.items()])
def strict(session: nox.Session, flag: str) -> None:
    """The tests of haiku_like's core where JAX checks for leaked tracers or reused keys, or has double precision."""
    session.install(*editable("haiku_like"), *group("haiku_like", "tests"))
    tests = (f"haiku_like/tests/{name}" for name in CORE)
    run_tests(session, "-m", MARKS["haiku_like"][0], *tests, *session.posargs, env={flag: "1", **quickly(session)})


@nox.session(python=PYTHONS)
@nox.parametrize("jax", ["lowest", "newest"])
def matrix(session: nox.Session, jax: str) -> None:
    """All tests on each Python, with every requirement at its lower bound or at its newest; `-- --shared` for CI.

    With `--shared` the environments share the tests out, so that each test runs in one of them; the share of the Python
    that runs nox with the newest jax is left to `tests`, which runs all of them there.
    """
    shared = "--shared" in session.posargs
    if shared and jax == "newest" and session.python == f"{sys.version_info.major}.{sys.version_info.minor}":
        session.skip(f"`tests` runs all tests on Python {session.python} with the newest jax")
    posargs = [argument for argument in session.posargs if argument != "--shared"]
    install_all(session, "--resolution", "lowest-direct" if jax == "lowest" else "highest", "--upgrade")
    session.install("pytest-split>=0.10")
    session.run("python", "-c", "import jax, sys; print('Python', sys.version.split()[0], 'with jax', jax.__version__)")
    number = 2 * PYTHONS.index(str(session.python)) + (jax == "newest")
    split = ("--splits", str(2 * len(PYTHONS)), "--group", str(number + 1)) if shared else ()
    for folder in (*PACKAGES, "integration_tests"):
        run_folder(session, folder, *split, *posargs, but="thorough" if folder == "integration_tests" else "")


@nox.session
def lint(session: nox.Session) -> None:
    """Format, imports, lint, spelling and whitespace, by the hooks of pre-commit; mends what it can."""
    session.install("pre-commit>=4.0")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Types, by pyright."""
    install_all(session)
    others = (*group("benchmarks", "bench"), "jaxtyping>=0.3", "nox[uv]")
    session.install("pyright[nodejs]==1.1.414", *others)
    session.run("pyright", *session.posargs)


@nox.session
@nox.parametrize("package", PER_PACKAGE)
def wheel(session: nox.Session, package: str) -> None:
    """Builds a package, installs its wheel alone, and imports it from outside the checkout."""
    session.install("build[uv]>=1.2", "twine>=6.1")
    with tempfile.TemporaryDirectory() as folder:
        outside = pathlib.Path(folder)
        out = outside / "dist"
        session.run(
            "python", "-m", "build", "--installer", "uv", "--outdir", str(out), str(ROOT / package), silent=True
        )
        session.run("twine", "check", "--strict", *map(str, out.iterdir()))
        clean = outside / "clean"
        session.run("uv", "venv", "--quiet", "--python", sys.executable, str(clean))
        python = str(clean / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        (built,) = out.glob("*.whl")
        session.run("uv", "pip", "install", "--quiet", "--python", python, str(built))
        with session.chdir(outside):
            check = str(ROOT / "integration_tests" / "check_installed.py")
            session.run(python, check, package, external=True, env=ENV)


@nox.session
def quickstart(session: nox.Session) -> None:
    """Trains the Q-learning agent on Catch, draws its learning curve and prints a summary."""
    session.install(*editable(*PACKAGES), *group("integration_tests", "agents"))
    session.run("python", "-m", "integration_tests.agents.q_learning", *session.posargs, env=ENV)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed beside hand-written JAX, dm-haiku and rlax; `-- --help` shows the options."""
    session.install(*editable(*PACKAGES), *group("integration_tests", "agents"), *group("benchmarks", "bench"))
    session.run("python", "-m", "benchmarks", *(session.posargs or ["run"]), env=ENV)
