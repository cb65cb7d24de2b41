"""The repository as a whole: its documents run, its imports point one way, and its folders do not shadow packages."""

import ast
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ["haiku_like", "rlax_like"]
DOCUMENTS = sorted(path for pattern in ("README.md", "[!.]*/README.md", "*/docs/*.md") for path in ROOT.glob(pattern))

# Which parts of haiku_like a part may import from: a part further left never imports one further right.
HAIKU_ORDER = [
    "_version", "typing", "_jax_compat", "_traced_once", "_checks", "_spatial", "_draws", "pad", "_core",
    "_transformed", "config", "data_structures", "initializers", "autodiff", "batching", "custom_derivatives",
    "tracing", "control_flow", "layer_stack", "mixed_precision", "testing", "layers", "nets", "inspect",
    "flax_bridge", "experimental", "__init__", "compat",
]  # fmt: skip
HAIKU_CORE_ORDER = [
    "errors", "naming", "settings", "frame", "hooks", "variables", "policies", "repr", "rng", "module", "scopes",
    "transform", "multi_transform", "conventions", "static_arguments", "thread", "lift",
]  # fmt: skip
# What is imported only when it is asked for, and is an extra to install.
EXTRAS = {"haiku_like/flax_bridge.py": "flax", "haiku_like/inspect/table.py": "rich"}
RLAX_ORDER = [
    "_version",
    "_checks",
    "_gradients",
    "_precision",
    "_weights",
    "_shapes",
    "_records",
    "indexing",
    "losses",
    "value_learning",
    "qv",
    "categorical",
    "distributional",
    "quantile",
    "distributions",
    "gaussian",
    "squashed",
    "policy_gradients",
    "collectives",
    "mpo",
    "vmpo",
    "policy_targets",
    "pop_art",
    "moving_averages",
    "exploration",
    "trees",
    "masks",
    "clipping",
    "interruptions",
    "embedding",
    "model_learning",
    "episodic_memory",
    "recurrence",
    "_sequences",
    "returns",
    "advantages",
    "multistep_td",
    "general_value_functions",
    "off_policy",
    "retrace_td",
    "v_trace",
    "transforms",
    "two_hot",
    "tx_pairs",
    "bellman",
    "__init__",
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_code_in_documents_runs(document):
    code = re.findall(r"^```python\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)
    assert code
    namespace = {}
    for block in code:
        exec(compile(block, str(document), "exec"), namespace)


def test_links_in_documents_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_at_the_root_does_not_shadow_its_package(package):
    """Without the package installed, importing it here would silently give an empty namespace."""
    code = f"import {package} as p; print(p.__file__, p.__version__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert pathlib.Path(done.stdout.split()[0]) == ROOT / package / "src" / package / "__init__.py"
    # The trap is real: with the root alone on the path, the folder is taken for a package with nothing in it.
    code = f"import sys; sys.path = ['{ROOT}', *(p for p in sys.path if 'site-packages' not in p and 'src' not in p)]; "
    code += f"import {package} as p; print(p.__file__)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "None"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_editable_install_writes_a_path_file(package):
    files = importlib.metadata.files(package)
    assert any(str(f).endswith(".pth") for f in files)
    origin = json.loads(importlib.metadata.distribution(package).read_text("direct_url.json"))
    assert origin["dir_info"]["editable"]


def imports(path):
    """The modules that a file imports when it is imported itself: not in functions, nor under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.Lambda))
        or (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in later:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(package):
    return sorted((ROOT / package / "src" / package).rglob("*.py"))


def part(path, package, depth=0):
    return path.relative_to(ROOT / package / "src" / package).with_suffix("").parts[depth]


@pytest.mark.parametrize(("package", "order"), [("haiku_like", HAIKU_ORDER), ("rlax_like", RLAX_ORDER)])
def test_imports_point_one_way(package, order):
    for path in sources(package):
        here = order.index(part(path, package))
        for module in imports(path):
            names = module.split(".")
            if names[0] == package and len(names) > 1 and names[1] in order:
                assert order.index(names[1]) <= here, f"{path.name} imports {module}"


def test_imports_within_the_core_point_one_way():
    for path in sources("haiku_like"):
        if part(path, "haiku_like") == "_core" and path.stem != "__init__":
            here = HAIKU_CORE_ORDER.index(path.stem)
            for module in imports(path):
                if module.startswith("haiku_like._core."):
                    there = HAIKU_CORE_ORDER.index(module.split(".")[2])
                    assert there < here, f"{path.name} imports {module}"


@pytest.mark.parametrize("package", PACKAGES)
def test_only_jax_numpy_and_the_standard_library_are_imported(package):
    allowed = {package, "jax", "numpy", *sys.stdlib_module_names}
    for path in sources(package):
        for module in imports(path):
            own = EXTRAS.get(str(path.relative_to(ROOT / package / "src")))
            assert module.split(".")[0] in {*allowed, own}, f"{path.name} imports {module}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_private_jax(package):
    for path in sources(package):
        if path.name != "_jax_compat.py":
            for module in imports(path):
                assert not re.match(r"jax\b.*\._|jaxlib|jax\.extend|jax\.interpreters", module), (
                    f"{path.name}: {module}"
                )
            assert not re.search(r"\bjax(\.\w+)*\._|jax\.extend", path.read_text()), path.name


def test_the_licence_is_the_same_everywhere():
    assert len({(ROOT / folder / "LICENSE").read_text() for folder in (".", *PACKAGES)}) == 1


def test_ci_runs_the_readmes_test_command():
    readme = (ROOT / "README.md").read_text().splitlines()
    pattern = r"^ *python3? .*nox -s tests$"
    assert len([line for line in readme if re.match(pattern, line)]) == 1
    assert pattern in (ROOT / ".ci" / "run").read_text()
