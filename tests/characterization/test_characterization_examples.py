"""The examples in docstrings give what they show."""

import doctest
from importlib import import_module

import pytest

MODULES = ("diffraction", "imaging", "layer_lines", "optical", "poses", "powder", "raman", "scanning")


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failed, attempted = doctest.testmod(import_module(f"matgym.characterization.{name}"))
    assert attempted
    assert not failed
