"""Compare the attributions of the gap's surrogate with physics: a table and a picture.

The table holds the change of the oracle's gap when the most attributed sites are reset, and when random sites are
reset, for each method and for an untrained network of the same kind.
`python -m scripts.studies.surrogates.attribution` (a minute) prints the table of docs/surrogates.md and draws
docs/images/attribution.png.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from matgym.data import Dataset
from matgym.physics.registry import judge_of
from matgym.surrogates import load
from matgym.surrogates.attribution import attribute, deletion_check
from matgym.surrogates.networks import make_network
from matgym.viz.raster import attribution_figure
from scripts.studies.common import Study, print_markdown

KEY = "gap_ev"
SEED = 0


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement."""

    tubes: int = 100  # tubes of the test split


def untrained(surrogate):
    """Return an untrained network, a control of the architecture's effect (Adebayo et al., NeurIPS 2018)."""
    torch.manual_seed(SEED)
    network = make_network(
        surrogate.network, surrogate.settings, len(surrogate.species), len(surrogate.keys),
        informed=len(surrogate.informed_by), leads=surrogate.between_leads,
    )  # fmt: skip
    return replace(surrogate, networks=(network,))


def main():
    study = Study.from_command_line("attribution", __doc__, Settings(), Settings(tubes=4))
    surrogate = load("nanotube-doping")
    oracle = judge_of(KEY)
    tubes = list(Dataset.load("nanotube-doping").split("test").batch)
    chosen = [tubes[row] for row in np.random.default_rng(SEED).choice(len(tubes), study.settings.tubes, replace=False)]
    explained = {
        "integrated gradients": (surrogate, "integrated_gradients"),
        "Grad-CAM": (surrogate, "grad_cam"),
        "integrated gradients, untrained": (untrained(surrogate), "integrated_gradients"),
    }
    rows = []
    for name, (network, method) in explained.items():
        check = deletion_check(network, oracle, chosen, KEY, np.random.default_rng(SEED), method)
        low, high = (1000 * end for end in check.interval)
        change = (f"{1000 * values.mean():.0f}" for values in (check.attributed, check.chance))
        rows.append((name, len(check.chance), *change, f"{1000 * check.difference:.0f} [{low:.0f}, {high:.0f}]"))
    head = ("attribution", "n", "change, attributed, meV", "change, random, meV", "difference [95 %], meV")
    print_markdown(head, rows)

    shown = next(tube for tube in tubes if tube.cells == 4 and tube.counts[3] == 5)
    gradients, cam = (attribute(surrogate, shown, KEY, method) for method in ("integrated_gradients", "grad_cam"))
    figure = attribution_figure(
        shown,
        {
            "integrated gradients": 1000 * gradients.sites,
            "Grad-CAM less its mean": 1000 * (cam.sites - cam.sites.mean()),
        },
        "meV",
        f"gap of {shown}: {gradients.baseline:.2f} eV undecorated, {gradients.prediction:.2f} eV predicted",
    )
    study.picture("attribution.png", figure.savefig)  # with all colours, because the colour bars show bands with 256


if __name__ == "__main__":
    main()
