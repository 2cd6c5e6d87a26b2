"""Train the acquisition function of `learned-acquisition`, on problems that no benchmark reports.

The problems are those of `scripts.studies.search.proposals`. `python -m scripts.studies.search.acquisition` (an hour
of one core; it does not resume) writes agents/acquisition/weights/acquisition.safetensors, its card, and
docs/results/acquisition.json.
"""

from dataclasses import dataclass

from matgym.agents.acquisition.store import STORE
from matgym.agents.acquisition.training import Settings as TrainingSettings
from matgym.agents.acquisition.training import Training
from scripts.studies.common import Study
from scripts.studies.search.proposals import problems, trained


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    updates: int = 40
    searches: int = 6
    seed: int = 0
    most: int = 10  # problems of each family


QUICK = Settings(updates=1, searches=2, most=1)


def main():
    study = Study.from_command_line("acquisition", __doc__, Settings(), QUICK)
    chosen, named = study.settings, problems(study.settings.most)
    settings = TrainingSettings(updates=chosen.updates, searches=chosen.searches, seed=chosen.seed)
    training = Training(tuple(named.values()), settings)
    trained(study, training, STORE, "acquisition", named, "python -m scripts.studies.search.acquisition")


if __name__ == "__main__":
    main()
