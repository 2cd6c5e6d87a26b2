"""How tubes are made and treated: growth, annealing, campaigns of experiments."""
