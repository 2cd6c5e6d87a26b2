"""The networks that the studies of characterization measure, and the command that trains one."""


def trained_weights(store, tasks):
    """Return the SHA-256 of the weights of each task that a store has a network of; for others print the command."""
    found = {}
    for task in tasks:
        if task in store.names():
            found[task] = store.load_card(task).sha256
        else:
            print(f"{task} has no trained network: run python -m scripts.studies.characterization.train {task}")
    return found
