"""Models of the processes that make and treat tubes: growth, annealing, campaigns of experiments."""
