"""The error about a task that has no trained network yet."""

from typing import Any

from matgym.errors import WeightsError
from matgym.learning.store import Store


def require_trained(store: Store[Any], task: str, argument: str = "model") -> None:
    """Check that the network of a task comes with matgym.

    Args:
        store: where the networks are kept.
        task: name of the task, which is that of its network.
        argument: name of the argument that takes another network.

    Raises:
        WeightsError: if it was not trained yet.
    """
    if task not in store.names():
        raise WeightsError(
            f"{task} has no trained network yet: run python -m scripts.studies.characterization.train {task} in the "
            f"repository, or give {argument}=..."
        )
