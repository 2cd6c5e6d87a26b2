"""Configs from YAML: one reader and one form of errors."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from matgym.benchmark.suite import Suite
from matgym.errors import ConfigurationError
from matgym.generative.config import GanConfig
from matgym.learning.config import read_config
from matgym.processes.sequences.fitting import CONFIGS as PROCESSES
from matgym.processes.sequences.fitting import ProcessConfig
from matgym.surrogates.fitting import FitConfig
from matgym.surrogates.training import CONFIGS as SURROGATES
from matgym.surrogates.training import read_fit

SUITES = Path(__file__).parents[2] / "matgym" / "benchmark" / "suites"


@dataclass(frozen=True)
class Inner:
    """A nested config."""

    width: int = 3


@dataclass(frozen=True)
class Outer:
    """A config that holds a nested one."""

    epochs: int = 1
    inner: Inner = field(default_factory=Inner)
    ends: tuple[float, float] | None = None

    def __post_init__(self):
        if self.epochs < 1:
            raise ConfigurationError(f"epochs={self.epochs} must be 1 or more")


class Model(BaseModel):
    """The same as a pydantic model."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = 1
    inner: Inner = Inner()


def written(folder, text):
    file = folder / "how.yml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("kind", [Outer, Model])
def test_changes_override_files_which_override_defaults(tmp_path, kind):
    assert read_config(kind, None) == kind()
    read = read_config(kind, written(tmp_path, "epochs: 4\ninner: {width: 7}\n"), changes={"epochs": 5})
    assert (read.epochs, read.inner) == (5, Inner(7))


def test_lists_become_tuples(tmp_path):
    assert read_config(Outer, written(tmp_path, "ends: [0.5, 1]\n")).ends == (0.5, 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch: 3\n", "there is no setting 'epoch'; did you mean 'epochs'\\? There are epochs, inner"),
        ("colour: 3\n", "there is no setting 'colour'; there are epochs, inner"),
        ("inner: {widht: 3}\n", "there is no setting 'inner.widht'; did you mean 'width'"),
        ("epochs: many\n", "epochs='many': Input should be a valid integer"),
        ("inner: {width: wide}\n", "inner.width='wide': "),
        ("- epochs\n", "must be a mapping of settings to values"),
        ("epochs: [\n", "is not valid YAML: while parsing"),
        ("!!python/object/apply:os.system ['false']\n", "is not valid YAML: could not determine a constructor"),
    ],
)
@pytest.mark.parametrize("kind", [Outer, Model])
def test_errors_have_one_form(tmp_path, kind, text, said):
    file = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=said) as raised:
        read_config(kind, file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


def test_errors_of_a_configs_own_checks_have_the_same_form(tmp_path):
    file = written(tmp_path, "epochs: 0\n")
    with pytest.raises(ConfigurationError, match="epochs=0 must be 1 or more") as raised:
        read_config(Outer, file)
    assert str(raised.value).startswith(f"{file}: ")
    with pytest.raises(ConfigurationError, match="network 'resnet' has no setting 'wdith'"):
        read_config(FitConfig, written(tmp_path, "network: resnet\nsize: {wdith: 3}\n"))
    with pytest.raises(ConfigurationError, match=r"size\.wdith"):
        read_config(GanConfig, written(tmp_path, "size: {wdith: 3}\n"))


def test_shipped_files_are_found_by_name(tmp_path):
    assert read_config(ProcessConfig, "annealing", shipped=PROCESSES).process == "annealing"
    with pytest.raises(ConfigurationError, match="no configuration 'nothing': give a YAML file, or one of annealing"):
        read_config(ProcessConfig, "nothing", shipped=PROCESSES)
    with pytest.raises(ConfigurationError, match="there is no file"):
        read_config(ProcessConfig, tmp_path / "nothing.yml", shipped=PROCESSES)


@pytest.mark.parametrize(
    ("kind", "folder"),
    [(ProcessConfig, PROCESSES), (Suite, SUITES)],
    ids=lambda x: str(x)[-20:],
)
def test_every_shipped_file_is_read(kind, folder):
    files = sorted(folder.glob("*.yml"))
    assert files
    for file in files:
        assert isinstance(read_config(kind, file), kind)


def test_every_shipped_configuration_of_a_surrogate_is_read():
    files = sorted(SURROGATES.glob("*.yml"))
    assert files
    for file in files:
        assert read_fit(file).dataset, file
