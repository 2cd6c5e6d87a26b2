"""Weights on disk: a safetensors file, and a card beside it.

No pickle is ever read: a safetensors file holds arrays only, and the card is validated JSON. Both files are written
whole or not at all, and the card holds the hash of the weights.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import Tensor, nn

from matgym.errors import ConfigurationError, FormatError, MatgymError, WeightsError, one_line
from matgym.files import check_output, is_file, read_json, write_bytes, write_text
from matgym.learning.config import first_error
from matgym.learning.trainer import CHECKPOINTS
from matgym.work import Work, work_folder

FORMAT_VERSION: Final = 3
"""Version of the format of all cards. Earlier ones, which each kind of weights counted for itself, hold no hash of the
weights, except those of agents."""

PACKAGES: Final = ("matgym", "numpy", "torch", "safetensors")


class Card(BaseModel):
    """What all cards hold.

    Attributes:
        format_version: of this file.
        data: what the weights were fitted to: name, digest, counts.
        fit: how.
        command: that reproduces it.
        seconds: that the training took; 0 if it was not measured.
        versions: of the packages that wrote this.
        threads: that torch used; a training with another number adds in another order, and gives other last bits. 0 if
            it is not known.
        sha256: of the file of weights.
    """

    model_config = ConfigDict(extra="forbid")

    OLDEST: ClassVar[int] = FORMAT_VERSION
    """Oldest format that is read."""

    format_version: int = FORMAT_VERSION
    data: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    command: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = {}
    threads: int = Field(default=0, ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


C = TypeVar("C", bound=Card)
T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Store(Generic[C]):
    """Where and how weights of one kind are kept.

    Attributes:
        card: of what class their cards are.
        kind: what the weights are of, such as "a surrogate".
        shipped: folder of those that come with matgym, each known by its name; None if none do.
        packages: whose versions are written to the card.
    """

    card: type[C]
    kind: str
    shipped: Path | None = None
    packages: tuple[str, ...] = PACKAGES

    def card_class(self, content: Mapping[str, Any]) -> type[C]:  # noqa: ARG002  # some kinds have several
        """Return the class of the card with some content."""
        return self.card

    def check_path(self, path: Path) -> None:
        """Check a file name before the work that will be written to it.

        Raises:
            WeightsError: if it does not end in .safetensors, or no file can be written there.
        """
        if path.suffix != ".safetensors":
            raise WeightsError(f"{str(path)!r} is no file for {self.kind}: weights are stored as .safetensors")
        try:
            check_output(path)
        except FormatError as error:
            raise WeightsError(str(error)) from None

    @contextmanager
    def training(
        self,
        output: Path,
        *,
        force: bool = False,
        inputs: Iterable[Path] = (),
        pieces: Sequence[str] = (),
        more_outputs: Sequence[Path] = (),
        identity: Mapping[str, Any] | None = None,
    ) -> Iterator[Work]:
        """Hold `OUTPUT.work/`, from which a killed training resumes; see `matgym.work.work_folder`.

        Its folder `checkpoints` is for the checkpoints of the training. Call `begin_output` before `save`.

        Args:
            output: file of the weights; the card is beside it.
            force: whether files that exist are replaced.
            inputs: files that the training reads.
            pieces: patterns of further files in the folder.
            more_outputs: files that are written in addition to weights and card.
            identity: what the pieces depend on; checkpoints know it themselves.

        Raises:
            WeightsError: if `output` does not end in .safetensors.
            FormatError: if a file exists without `force`, or is an input.
            ExecutionError: if another training writes the same output.
        """
        self.check_path(output)
        outputs = (output, output.with_suffix(".json"), *more_outputs)
        kept = (f"checkpoints/{CHECKPOINTS}", *pieces)
        with work_folder(output, outputs=outputs, pieces=kept, identity=identity, force=force, inputs=inputs) as work:
            yield work

    def save(self, path: Path | str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> C:
        """Write weights, from any device, to `path` (.safetensors) and a card with these facts beside it (.json).

        Raises:
            WeightsError: if `path` does not end in .safetensors, or a weight is not finite; nothing is written then.
            ConfigurationError: if the facts make no card; nothing is written then.
        """
        path = Path(path)
        self.check_path(path)
        check_finite(tensors, path)  # as when they are read
        # A clone each: networks that share weights would be rejected as the same memory.
        content = bytes_of({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})
        sealed: dict[str, object] = {"format_version": FORMAT_VERSION, "sha256": hashlib.sha256(content).hexdigest()}
        sealed |= {"versions": {name: version(name) for name in self.packages}, "threads": torch.get_num_threads()}
        try:
            card = self.card_class(facts)(**{**facts, **sealed})
        except ValidationError as error:
            raise ConfigurationError(f"{self.kind} cannot be stored like this: {first_error(error)}") from None
        write_bytes(path, content)
        write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
        return card

    def load(self, path: Path | str, build: Callable[[C, dict[str, Tensor]], T]) -> T:
        """Read weights and make of them what their card describes.

        Args:
            path: a .safetensors file with its card beside it, or the name of a shipped one.
            build: from the card and the tensors.

        Raises:
            WeightsError: if a file is missing, damaged, of another format, or not what its card describes.
        """
        file, card = self.located(path), self.load_card(path)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise WeightsError(f"{file} is missing") from None
        if hashlib.sha256(content).hexdigest() != card.sha256:
            raise WeightsError(
                f"{file} is not the file that its card was written with: its SHA-256 is another; repeat the call that "
                "wrote them, if it was interrupted"
            )
        try:
            tensors = tensors_of(content)
            check_finite(tensors, file)
            return build(card, tensors)
        except (ConfigurationError, SafetensorError, RuntimeError, TypeError, LookupError, ValueError) as error:
            if isinstance(error, WeightsError):
                raise
            said = one_line(error)
            raise WeightsError(f"{file} does not hold the weights that its card describes: {said}") from None

    def load_card(self, path: Path | str) -> C:
        """Read a card; see `load`."""
        file = self.located(path).with_suffix(".json")
        try:
            content = read_json(file)
        except FormatError as error:
            reason = f"{file} is no card of {self.kind}: {error}"
            raise WeightsError(
                reason if is_file(file) else f"{file} is missing: weights are read with their card beside them"
            ) from None
        found = content.get("format_version", 1) if isinstance(content, dict) else None
        if not isinstance(found, int):
            raise WeightsError(f"{file} is no card of {self.kind}: it must be a mapping with a whole format_version")
        if not self.card.OLDEST <= found <= FORMAT_VERSION:
            raise WeightsError(
                f"{file} is of format {found}, and this matgym reads formats from {self.card.OLDEST} to "
                f"{FORMAT_VERSION}: " + ("upgrade matgym" if found > FORMAT_VERSION else "train anew")
            )
        try:
            return self.card_class(content).model_validate(content)
        except ValidationError as error:
            raise WeightsError(f"{file} is no card of {self.kind}: {first_error(error)}") from None
        except MatgymError as error:
            raise WeightsError(f"{file}: {error}") from None

    def names(self) -> tuple[str, ...]:
        """Return the names of shipped weights."""
        return tuple(sorted(path.stem for path in self.shipped.glob("*.safetensors"))) if self.shipped else ()

    def located(self, path: Path | str) -> Path:
        """Return the file that a path or a shipped name stands for.

        Raises:
            WeightsError: if there is none.
        """
        file = Path(path)
        if self.shipped is not None and not file.suffix and not is_file(file):
            file = self.shipped / f"{path}.safetensors"
        if file.suffix != ".safetensors" or not (is_file(file) or is_file(file.with_suffix(".json"))):
            there = f", or one of {', '.join(self.names())}" if self.names() else ""
            raise WeightsError(
                f"there are no weights {str(path)!r} of {self.kind}: give a .safetensors file{there}; weights are read "
                "with their card beside them"
            )
        return file


MAX_WEIGHT: Final = 1e9
"""Largest magnitude of a weight that is read: sums of products stay finite in single precision. Ours."""


INTERVALS: Final = ("calibration.interval", "calibration.sd", "calibration.quantile")
"""Names of the half-widths of intervals and of standard deviations that are infinite if there were no data for them."""


def filled(build: Callable[[], N], tensors: Mapping[str, Tensor], what: str = "the network") -> N:
    """Return a network with stored weights.

    The network is made without memory first, so that a card with huge sizes takes none before its weights are compared.

    Raises:
        ConfigurationError: if names or shapes of weights are not those of the network.
    """
    with torch.device("meta"):
        wanted = build().state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        here, there = (tuple(found[name].shape) if name in found else "absent" for found in (tensors, wanted))
        if here != there:
            raise ConfigurationError(f"{name} is {here}, and {there} in {what} of the card")
    network = build()
    network.load_state_dict(dict(tensors))
    return network


def check_finite(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Check that weights are numbers with which one can go on. Intervals of few data are infinite.

    Raises:
        WeightsError: if one is NaN, infinite, or beyond `MAX_WEIGHT`.
    """
    for name, value in tensors.items():
        known = value[~torch.isposinf(value)] if name in INTERVALS else value
        if value.is_floating_point() and known.numel() and not float(known.detach().abs().max()) <= MAX_WEIGHT:
            raise WeightsError(f"{file}: {name} holds numbers that are not finite, or beyond ±{MAX_WEIGHT:g}")


def ensemble_tensors(networks: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Return weights of an ensemble by the names under which they are stored."""
    return module_tensors("network", nn.ModuleList(networks))


def module_tensors(name: str, module: nn.Module) -> dict[str, Tensor]:
    """Return weights of a module by the names `NAME.…` under which they are stored; `part` is the way back."""
    return {f"{name}.{key}": value for key, value in module.state_dict().items()}


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors stored as `NAME.…`, by the rest of their names."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
