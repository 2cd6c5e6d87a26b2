"""The surrogate of a property of the user's own: a ridge regression that reads what shipped surrogates know of a tube.

Its inputs are the pairs of `matgym.surrogates.honeycomb.pairs`, and beside them what shipped surrogates of other
properties answer for the same tube (stacked generalization: Wolpert, Neural Networks 5, 241 (1992)), and the pooled
features of a shipped network, as in transfer learning. These surrogates are called its trunk. They are not changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.models import Cost, Property
from matgym.structures import TubeBatch
from matgym.surrogates.honeycomb.graph import TUBE_FEATURES
from matgym.surrogates.honeycomb.hamiltonian import HamiltonianSurrogate
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate, Note
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import FloatArray

MECHANICS: Final = ("nanotube-young", "nanotube-formation", "nanotube-heat")
"""Shipped surrogates that answer within a millisecond."""

GAP: Final = "nanotube-gap"

TRUNKS: Final[Mapping[str, str]] = {
    "none": "pairs alone",
    "mechanics": "and the stiffness, formation energy and heat of the shipped surrogates",
    "network": "and the features of the shipped network that writes a Hamiltonian",
    "gap": "and the gap of this Hamiltonian",
}
"""What a surrogate of an own property stands on, each with all before it, in the order of what a prediction costs."""

SECONDS: Final[Mapping[str, float]] = {"none": 5e-4, "mechanics": 1e-3, "network": 1.5e-2, "gap": 0.17}
"""CPU seconds of a prediction at about 130 sites, measured on one core of an Intel Xeon server."""

FORMS: Final[Mapping[str, str]] = {
    "value": "the value itself",
    "per-site": "the value divided by the number of sites, for what grows with the tube, such as energies",
    "resistance": "the diameter divided by the value, for positive values such as conductances",
}
"""What is learned of a property."""

VALUE: Final = Property("value")
"""A property of which only the number is known."""

TRUST: Final = 10.0
"""How much larger an answer of a shipped surrogate is than another standardised input, for the penalty: a coefficient
of it costs a hundredth. Chosen by us among 1, 3, 10 and 30 on cross-validated errors of gaps and formation energies by
GFN1-xTB, which differ by less than 2 % from 3 to 30."""


def bases_of(trunk: str) -> tuple[str, ...]:
    """Return the names of the shipped surrogates of a trunk.

    Raises:
        ConfigurationError: if there is no such trunk.
    """
    if trunk not in TRUNKS:
        raise ConfigurationError(f"trunk={trunk!r} is unknown: give one of {', '.join(TRUNKS)}")
    return {"none": (), "mechanics": MECHANICS}.get(trunk, (*MECHANICS, GAP))


def trust_of(trunk: str, bases: Sequence[HoneycombSurrogate]) -> FloatArray:
    """Return the (inputs,) trust in each input of a trunk; its length is the number of inputs."""
    found = [TRUST] * len(MECHANICS) if trunk != "none" else []
    if trunk in {"network", "gap"}:
        network = _hamiltonian(bases)
        found += [1.0] * (len(network.networks) * 2 * int(network.settings["width"]))
    return np.array(found + [TRUST] * (trunk == "gap"))


def trunk_inputs(trunk: str, bases: Sequence[HoneycombSurrogate], batch: TubeBatch) -> FloatArray:
    """Return the (B, inputs) inputs that shipped surrogates give; NaN where one cannot answer.

    Answers of surrogates are those that they learned: energies per site, resistances times diameter.

    Args:
        trunk: one of `TRUNKS`.
        bases: the surrogates of `bases_of`.
        batch: B tubes.
    """
    columns = [np.empty((len(batch), 0))]
    for base in bases[: len(MECHANICS)]:
        members, _, targets = base.run(batch)
        columns.append(targets.learned(members.mean(axis=0)))
    if trunk in {"network", "gap"}:
        columns.append(_hamiltonian(bases).trunk(batch))
    if trunk == "gap":
        columns.append(_hamiltonian(bases).run(batch)[0][0])
    return np.concatenate(columns, axis=1)


def form_targets(form: str, batch: TubeBatch, least: float = 0.0) -> Targets:
    """Return the targets of a form.

    Args:
        form: one of `FORMS`.
        batch: B tubes.
        least: smallest learned resistance.

    Raises:
        ConfigurationError: if there is no such form.
    """
    if form not in FORMS:
        raise ConfigurationError(f"form={form!r} is unknown: give one of {', '.join(FORMS)}")
    factor = np.ones(len(batch))
    if form == "per-site":
        factor = batch.n_sites.astype(np.float64)
    elif form == "resistance":
        factor = np.array([lattice.diameter_nm for lattice in batch.lattices])[batch.lattice_index]
    inverse = np.array([form == "resistance"])
    return Targets(np.zeros((len(batch), 1)), factor[:, None], inverse, np.zeros(1, dtype=bool), least)


def _hamiltonian(bases: Sequence[HoneycombSurrogate]) -> HamiltonianSurrogate:
    return cast("HamiltonianSurrogate", bases[-1])


@dataclass(frozen=True, eq=False)
class OwnSurrogate(HoneycombSurrogate):
    """A model of a property of the user's own, for tubes of any lattice.

    Attributes:
        own: the property.
        form: one of `FORMS`.
        least: smallest learned resistance, of the form of that name.
        trunk: one of `TRUNKS`.
        bases: the shipped surrogates of the trunk.
    """

    own: Property = VALUE
    form: str = "value"
    least: float = 0.0
    trunk: str = "none"
    bases: tuple[HoneycombSurrogate, ...] = field(default=(), repr=False)  # the trunk names them

    @property
    def properties(self) -> tuple[Property, ...]:
        """The property of the user's own."""
        return (self.own,)

    @property
    def cost(self) -> Cost:
        """Cost of the trunk, measured in batches on one core of an Intel Xeon server."""
        return Cost(seconds=SECONDS[self.trunk], sites=128, exponent=3.0 if self.trunk == "gap" else 1.0)

    def notes(self, batch: TubeBatch) -> dict[int, Note]:
        """Return, by row, what of a tube is outside the ranges of the labels; nothing has measured its error."""
        return {row: note._replace(is_lost=True) for row, note in super().notes(batch).items()}

    def inputs(self, batch: TubeBatch) -> FloatArray:
        """Return the (B, inputs) inputs that the trunk gives."""
        return trunk_inputs(self.trunk, self.bases, batch)

    def inputs_of(self, data: Dataset) -> FloatArray:
        """Return the same for the rows of a data set."""
        return self.inputs(data.batch)

    def targets(self, batch: TubeBatch, physics: FloatArray) -> Targets:  # noqa: ARG002  # other kinds need it
        """Return how learned values of tubes become those of the property."""
        return form_targets(self.form, batch, self.least)

    def lost(self, batch: TubeBatch, rows: Sequence[int]) -> dict[int, str]:
        """Return why some tubes, which have no prediction, have none, by row: the reasons of the trunk."""
        return _hamiltonian(self.bases).lost(batch, rows) if self.bases else {}


def input_count(trunk: str, bases: Sequence[HoneycombSurrogate]) -> int:
    """Return the number of features of a tube, with the inputs of a trunk."""
    return TUBE_FEATURES + len(trust_of(trunk, bases))
