"""The library without flax, whether flax is installed or not."""

import re
import subprocess
import sys

import pytest

import haiku_like as hk


def test_without_flax_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "flax", None)
    monkeypatch.delitem(sys.modules, "haiku_like.flax_bridge", raising=False)
    monkeypatch.delattr(hk, "flax_bridge", raising=False)
    monkeypatch.delitem(sys.modules, "haiku_like.experimental.flax", raising=False)
    monkeypatch.delitem(vars(hk.experimental), "flax", raising=False)
    with pytest.raises(ImportError, match=re.escape('Install it: pip install "haiku-like[flax]"')):
        hk.experimental.flax  # noqa: B018
    with pytest.raises(AttributeError, match=r"module 'haiku_like.experimental' has no attribute 'flux'"):
        hk.experimental.flux  # noqa: B018


def test_importing_the_library_does_not_import_flax():
    code = "import sys, haiku_like, haiku_like.compat; print('flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
