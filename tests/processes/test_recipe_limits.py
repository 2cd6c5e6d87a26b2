"""Recipes and tables of experiments: numbers are ASCII, finite and bounded."""

import numpy as np
import pytest

from matgym.cli.furnace import _stage
from matgym.errors import ConfigurationError, DatasetError
from matgym.processes.campaigns.experiments import Experiments
from matgym.processes.growth.recipe import MAX_MINUTES, Stage, recipe_of


@pytest.mark.parametrize("minutes", [10**9, 10**12, float("inf"), float("nan"), 1.5, 0, -3])
def test_minutes_are_checked_before_memory_is_taken(minutes):
    with pytest.raises(ConfigurationError, match="must be a whole number from 1 to 10,080"):
        recipe_of(Stage(minutes, 700.0))


def test_stages_are_bounded_together():
    assert len(recipe_of(Stage(MAX_MINUTES, 700.0))) == MAX_MINUTES
    with pytest.raises(ConfigurationError, match="last 10,081 minutes together"):
        recipe_of(Stage(MAX_MINUTES, 700.0), Stage(1, 700.0))


@pytest.mark.parametrize(
    "text", ["٢٠:705:150", "2_0:705:150", "inf:705:150", "20:nan:150", "20:705", "20:705:1:1:1:1", "a", ""]
)
def test_stages_are_ascii_numbers(text):
    with pytest.raises(ConfigurationError, match="must be MINUTES:CELSIUS:C2H2"):
        _stage(text)


@pytest.mark.parametrize("cell", ["nan", "inf", "1e999", "1e200", "٢٠", "1_000", "x"])
def test_measurements_are_finite_ascii_numbers(tmp_path, cell):
    rows = [f"{x},{x * x}" for x in range(12)]
    (tmp_path / "table.csv").write_text("\n".join(["x,y", *rows, f"12,{cell}"]))
    reason = r"table.csv, row 14: 'y' is .*(no number|not finite|beyond 1e\+100): drop such rows"
    with pytest.raises(DatasetError, match=reason):
        Experiments.read(tmp_path / "table.csv")


def test_a_column_that_varies_by_rounding_alone_is_constant(tmp_path):
    rows = [f"{x},{1.0 + 1e-16 * x!r},{1e-320 * x!r},{x * x}" for x in range(12)]
    (tmp_path / "table.csv").write_text("\n".join(["x,same,tiny,y", *rows]))
    found = Experiments.read(tmp_path / "table.csv")
    assert found.columns[0].name == "x"
    assert "same" not in {column.name for column in found.columns}
    assert np.isfinite(found.at(np.zeros((1, len(found.columns))))).all()


@pytest.mark.parametrize("content", [b"\x93\xff\x00", b"", b"a\n", b'"' + b"x" * 200_000 + b'"\n1\n', b"a,b\n1\n"])
def test_what_is_no_table_is_one_sentence(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DatasetError):
        Experiments.read(tmp_path / "table.csv")
