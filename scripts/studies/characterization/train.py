"""Train the network of a task of recognition or of reading, calibrate it, and store it with a card.

    python -m scripts.studies.characterization.train chirality-diffraction

draws samples, trains and measures, and writes TASK.safetensors and TASK.json into
matgym/characterization/recognition/weights. It takes up to an hour on two cores, and for space-group and
crystal-structure on one core; an interrupted call continues. The tasks are chirality-diffraction, chirality-hrtem,
crystal-system, space-group, crystal-structure, species-raman and species-absorption. The network of defects-hrtem is
stored in the folder defects there, and those of reading, film-micrograph and forest-curves, in
matgym/characterization/reading/weights. With `--quick` the settings are small, and the weights go to runs/quick.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import replace
from pathlib import Path

import torch

from matgym.characterization.reading.fitting import ReadingConfig, train_reader
from matgym.characterization.reading.learned import STORE as READERS
from matgym.characterization.recognition.fitting import RecognitionConfig, RecognitionFit, train_recognizer
from matgym.characterization.recognition.learned import STORE
from matgym.characterization.recognition.locating import LocatorConfig, LocatorFit, train_locator
from matgym.characterization.recognition.locators import LOCATORS
from matgym.characterization.recognition.registry import CHUNK
from matgym.cli.console import progress
from scripts.studies import common

CONFIGS = {
    "chirality-diffraction": RecognitionConfig(
        "chirality-diffraction", samples=40_000, fit=RecognitionFit(mixed=True, epochs=25)
    ),
    "chirality-hrtem": RecognitionConfig("chirality-hrtem", samples=40_000, fit=RecognitionFit(mixed=True, epochs=20)),
    "crystal-system": RecognitionConfig(
        "crystal-system",
        samples=40_000,
        validation=2000,
        test=2000,
        fit=RecognitionFit(settings={"width": 16}, epochs=14, mixed=True),
    ),
    "space-group": RecognitionConfig(
        "space-group",
        samples=20_000,
        validation=2000,
        test=2000,
        fit=RecognitionFit(settings={"width": 24}, epochs=16, mixed=True),
    ),
    "crystal-structure": RecognitionConfig(
        "crystal-structure", samples=60_000, fit=RecognitionFit("crystal", epochs=22)
    ),
    "defects-hrtem": LocatorConfig(
        "defects-hrtem", samples=20_000, fit=LocatorFit(epochs=10, batch_size=32, mixed=True)
    ),
    "film-micrograph": ReadingConfig(
        "film-micrograph",
        samples=40_000,
        fit=RecognitionFit(settings={"width": 8, "hidden": (64,)}, epochs=25, learning_rate=1e-3, mixed=True),
    ),
    "forest-curves": ReadingConfig(
        "forest-curves",
        samples=100_000,
        fit=RecognitionFit(settings={"width": 8, "hidden": (64,)}, epochs=30),
    ),
    "species-raman": RecognitionConfig("species-raman", samples=100_000, fit=RecognitionFit(mixed=True, epochs=30)),
    "species-absorption": RecognitionConfig(
        "species-absorption", samples=100_000, fit=RecognitionFit(mixed=True, epochs=30)
    ),
}
"""Settings of the trainings, chosen for an hour on two cores, and of one core for space-group and crystal-structure."""


def quick(config):
    """Return small settings: a training of seconds that learns hardly anything."""
    small = {"width": 4, "hidden": (16,)}
    if not isinstance(config, LocatorConfig) and config.fit.network == "resnet":
        small |= {"blocks": 1}
    sizes = {"width": 4} if isinstance(config, LocatorConfig) else {"settings": small}
    fit = replace(config.fit, epochs=1, **sizes)
    return replace(config, samples=64, validation=32, test=32, fit=fit)


def main(arguments=None):
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=CONFIGS)
    parser.add_argument("--quick", action="store_true", help="small settings; weights go to runs/quick")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw samples, and threads of torch")
    parser.add_argument("--output", type=Path, help="another .safetensors file")
    parser.add_argument("--force", action="store_true", help="replace weights that exist")
    given = parser.parse_args(arguments)
    config = quick(CONFIGS[given.task]) if given.quick else CONFIGS[given.task]
    stores = {ReadingConfig: READERS, LocatorConfig: LOCATORS, RecognitionConfig: STORE}
    store = stores[type(config)]
    folder = common.OUTPUT / "runs" / "quick" / "weights" if given.quick else store.shipped
    output = given.output or folder / f"{given.task}.safetensors"
    torch.set_num_threads(given.workers)
    finished = {}
    counts = {"training": config.samples, "validation": config.validation, "test": config.test, "unseen": config.test}
    with progress() as show:

        def on_chunk(pool, _job, _before):
            finished[pool] = finished.get(pool, 0) + 1
            show(f"{pool} samples", finished[pool], -(-counts[pool] // CHUNK))

        options = {
            "command": f"python -m scripts.studies.characterization.train {given.task}",
            "force": given.force or given.quick,
            "on_epoch": lambda epoch: show("epochs", epoch.number, config.fit.epochs, epoch.note),
        }
        if isinstance(config, ReadingConfig):
            show("samples", 0, 1)
            card = train_reader(config, output, **options)
        else:
            train = train_locator if isinstance(config, LocatorConfig) else train_recognizer
            card = train(config, output, workers=given.workers, on_chunk=on_chunk, **options)
    print(output)
    for situation, metrics in card.metrics.items():
        print(situation, ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
