"""Networks that choose one of several candidates of a search, and learn it on other problems.

`matgym.agents.proposals` chooses the mutation that annealing proposes, `matgym.agents.acquisition` the design that
Bayesian optimization asks next.
"""
