"""morl-baselines' Envelope learns several objectives at once, on environments whose rewards are vectors."""

import mo_gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from morl_baselines.multi_policy.envelope.envelope import Envelope

from scripts.compat.common import ARGUMENTS, VECTOR

STEPS = 60


def main():
    trained = 0
    for name in VECTOR:
        env, evaluated = (mo_gymnasium.make(name, **ARGUMENTS[name]) for _ in range(2))
        # Envelope chooses among few actions.
        if not isinstance(env.action_space, Discrete):
            continue
        agent = Envelope(env, net_arch=[32], batch_size=8, learning_starts=10, buffer_size=200, log=False, seed=0)
        before = [parameter.detach().clone() for parameter in agent.q_net.parameters()]
        agent.train(STEPS, evaluated, ref_point=np.full(env.unwrapped.reward_space.shape, -1.0), verbose=False)
        after = agent.q_net.parameters()
        assert any((new != old).any() for new, old in zip(after, before, strict=True)), f"{name}: nothing was learned"
        observation, _ = evaluated.reset(seed=0)
        weights = np.full(agent.reward_dim, 1.0 / agent.reward_dim)
        assert agent.eval(observation, weights) in env.action_space
        trained += 1
    assert trained, "no environment has choices and rewards that are vectors"


if __name__ == "__main__":
    main()
