"""What the gap's surrogate looks at, drawn, and whether physics agrees, as a table: `python scripts/attribution.py`.

The table holds, for each method and for a network of the same kind that was never trained, how much the oracle's gap
changes when the most attributed sites are undone, and when random ones are.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from matgym.data import Dataset
from matgym.physics import PiElectrons
from matgym.surrogates import load
from matgym.surrogates.attribution import attribute, deletion_check
from matgym.surrogates.networks import make_network
from matgym.viz.attribution import attribution_figure

OUTPUT = Path("docs/images/attribution.png")
KEY = "gap_ev"
TUBES = 100  # of the test split
SEED = 0


def untrained(surrogate):
    """The control: what the architecture alone would attribute (Adebayo et al., NeurIPS 2018)."""
    torch.manual_seed(SEED)
    seen = len(surrogate.species)
    sizes = seen + surrogate.between_leads, seen + 1 + len(surrogate.informed_by), len(surrogate.predicted)
    return replace(
        surrogate, networks=(make_network(surrogate.network, surrogate.settings, *sizes, sums=surrogate.between_leads),)
    )


def main():
    surrogate = load(KEY)
    oracle = PiElectrons(surrogate.baseline.parameters())
    tubes = Dataset.load("nanotube-doping").split("test").batch
    chosen = tubes.take(np.random.default_rng(SEED).choice(len(tubes), TUBES, replace=False))

    print("| attribution | n | change, attributed, meV | change, random, meV | difference [95 %], meV |")
    print("|---|---|---|---|---|")
    rows = (
        ("integrated gradients", surrogate, "integrated_gradients"),
        ("Grad-CAM", surrogate, "grad_cam"),
        ("integrated gradients, untrained", untrained(surrogate), "integrated_gradients"),
    )
    for name, explained, method in rows:
        found = deletion_check(explained, oracle, chosen, KEY, np.random.default_rng(SEED), method)
        low, high = (1000 * end for end in found.interval)
        print(
            f"| {name} | {len(found.chance)} | {1000 * found.attributed.mean():.0f} | {1000 * found.chance.mean():.0f} "
            f"| {1000 * found.difference:.0f} [{low:.0f}, {high:.0f}] |"
        )

    shown = next(tube for tube in tubes if tube.cells == 4 and tube.counts[3] == 5)
    gradients, cam = (attribute(surrogate, shown, KEY, method) for _, _, method in rows[:2])
    figure = attribution_figure(
        shown,
        {
            "integrated gradients": 1000 * gradients.sites,
            "Grad-CAM less its mean": 1000 * (cam.sites - cam.sites.mean()),
        },
        "meV",
        f"gap of {shown}: {gradients.baseline:.2f} eV undecorated, {gradients.prediction:.2f} eV predicted",
    )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUTPUT)  # all colours: of 256, the colour bars would show bands
    print(OUTPUT)


if __name__ == "__main__":
    main()
