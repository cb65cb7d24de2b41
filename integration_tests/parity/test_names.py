"""The public names of dm-haiku and rlax, with their parameters, positions and defaults: how many we have.

`facts/` holds the names as facts, read off the libraries. `pytest -s` shows the figures.
"""

import enum
import importlib
import inspect
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

FACTS = pathlib.Path(__file__).parent / "facts"

# These take a pair of transforms first, under rlax too; what it shows as their signature leaves that out.
TAKES_TX_PAIR = {
    "transformed_general_off_policy_returns_from_action_values",
    "transformed_lambda_returns",
    "transformed_n_step_returns",
}


def lookup(module: str, name: str) -> Any:
    """Returns a public name of a module, or of an attribute that stands for a module; None if there is none."""
    package, *rest = module.split(".")
    home = importlib.import_module(package)
    for part in rest:
        home = getattr(home, part, None) or importlib.import_module(f"{home.__name__}.{part}")
    return getattr(home, name, None)


def parameters(thing: Any) -> list[inspect.Parameter] | None:
    try:
        signature = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing)
    except (TypeError, ValueError):
        return None
    return [p for p in signature.parameters.values() if p.name != "self"]


def shown_default(value: Any) -> str:
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    shown = repr(value)
    return type(value).__name__ if " at 0x" in shown else shown


def differences(fact: dict[str, Any], ours: Any) -> Iterator[str]:
    """Yields how ours differs from the fact: what a caller of the peer's name would stumble over."""
    if ours is None:
        yield "is missing"
        return
    if fact.get("fields"):
        if list(getattr(ours, "_fields", ()))[: len(fact["fields"])] != fact["fields"]:
            yield f"has no fields {fact['fields']}"
        return
    for method in fact.get("methods", {}):
        if not hasattr(ours, method):
            yield f"has no method {method}"
    for member in fact.get("members", ()):
        if not (isinstance(ours, enum.EnumMeta) and member in ours.__members__):
            yield f"has no member {member}"
    expected = fact.get("params") if fact["kind"] == "function" else fact.get("init")
    have = parameters(ours) if expected is not None else None
    if have is None:
        return
    kinds = {p.kind for p in have}
    if {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL} <= kinds:
        return
    by_name = {p.name: p for p in have}
    positional = [p.name for p in have if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    position = 0
    for parameter in expected or ():
        name, kind = parameter["name"], parameter["kind"]
        if not kind.startswith("var") and name not in by_name:
            yield f"has no parameter {name}"
            continue
        if kind == "positional_or_keyword":
            if positional[position : position + 1] != [name]:
                yield f"has {name} in another position than {position}"
            position += 1
        if "default" in parameter and name in by_name:
            default = by_name[name].default
            comparable = not str(parameter["default"]).startswith(("<", "functools"))
            if default is inspect.Parameter.empty:
                yield f"has no default of {name}"
            elif comparable and shown_default(default) != parameter["default"]:
                yield f"has the default {shown_default(default)} of {name}, not {parameter['default']}"


@pytest.mark.parametrize(
    ("facts", "peer", "ours"),
    [("dm_haiku_0_0_17.json", "haiku", "haiku_like.compat"), ("rlax_0_1_9.json", "rlax", "rlax_like")],
)
def test_names_parameters_and_defaults(facts, peer, ours):
    missing, total = [], 0
    for module, names in json.loads((FACTS / facts).read_text()).items():
        if module.endswith(".flax"):
            continue  # Behind an extra, and tested there.
        for name, fact in names.items():
            if fact["kind"] == "module" or name.startswith("_"):
                continue
            if name in TAKES_TX_PAIR:
                tx_pair = {"name": "tx_pair", "kind": "positional_or_keyword"}
                fact = {**fact, "params": [tx_pair, *fact["params"]]}
            total += 1
            found = list(differences(fact, lookup(ours + module.removeprefix(peer), name)))
            missing += [f"{module}.{name} {'; '.join(found)}"] if found else []
    print(f"{ours}: {total - len(missing)} of {total} public names of {peer}")
    assert not missing, "\n".join(missing)


def test_what_is_wrong_is_found():
    def f(a, b=2, *, c=3):
        """Has two positional parameters."""

    def fact(**changes):
        parameters = [
            {"name": "a", "kind": "positional_or_keyword"},
            {"name": "b", "kind": "positional_or_keyword", "default": "2"},
            {"name": "c", "kind": "keyword_only", "default": "3"},
        ]
        return {"kind": "function", "params": [{**p, **changes.get(p["name"], {})} for p in parameters]}

    assert list(differences(fact(), f)) == []
    assert list(differences(fact(), None)) == ["is missing"]
    assert list(differences(fact(a={"name": "x"}), f)) == ["has no parameter x", "has b in another position than 0"]
    assert list(differences(fact(b={"default": "7"}), f)) == ["has the default 2 of b, not 7"]
    assert list(differences({"kind": "class", "methods": {"go": []}, "init": None}, f)) == ["has no method go"]
