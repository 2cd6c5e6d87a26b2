"""`policy="HoneycombPolicy"` for PPO, A2C, MaskablePPO and DQN, on `observation="honeycomb"`.

    envs = SB3VecEnv(gym.make_vec("matgym/NanotubeDoping-v0", num_envs=64, observation="honeycomb"))
    agent = MaskablePPO("HoneycombPolicy", envs, policy_kwargs={"trunk": "nanotube-gap"})

The import of `matgym.agents.SB3VecEnv` makes the name known to the algorithms. Stable-Baselines3 and sb3-contrib have
no SAC for discrete actions, so there is no policy for it.
"""

from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO

from matgym.agents.honeycomb.maskable import MaskableHoneycombPolicy
from matgym.agents.honeycomb.policies import NAME, HoneycombPolicy
from matgym.agents.honeycomb.q_network import HoneycombDQNPolicy
from matgym.agents.honeycomb.transfer import on_spaces

__all__ = ["HoneycombDQNPolicy", "HoneycombPolicy", "MaskableHoneycombPolicy", "on_spaces", "register_policies"]


def register_policies() -> None:
    """Let the algorithms know their policies by the name "HoneycombPolicy", as they know "MlpPolicy"."""
    PPO.policy_aliases[NAME] = A2C.policy_aliases[NAME] = HoneycombPolicy
    MaskablePPO.policy_aliases[NAME] = MaskableHoneycombPolicy
    DQN.policy_aliases[NAME] = HoneycombDQNPolicy
