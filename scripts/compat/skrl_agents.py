"""skrl's PPO trains on the natively batched environment."""

import gymnasium as gym
import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import SequentialTrainer
from skrl.utils.model_instantiators.torch import deterministic_model, gaussian_model

from scripts.compat.common import ARGUMENTS

NAME = "matgym/CVDGrowth-v0"


def main():
    # skrl looks for Gymnasium's name among the direct bases of a class, so it has to be told.
    env = wrap_env(gym.make_vec(NAME, num_envs=4, **ARGUMENTS[NAME]), wrapper="gymnasium")
    network = [{"name": "net", "input": "OBSERVATIONS", "layers": [32], "activations": "elu"}]
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    models = {
        "policy": gaussian_model(**spaces, network=network, output="ACTIONS"),
        "value": deterministic_model(**spaces, network=network, output="ONE"),
    }
    for model in models.values():
        model.init_state_dict(role="policy")  # its first layer learns the width of observations so
    before = [each.clone() for each in models["policy"].parameters()]
    agent = PPO(
        models=models, memory=RandomMemory(memory_size=16, num_envs=env.num_envs, device=env.device),
        cfg=PPO_CFG(rollouts=16), observation_space=env.observation_space, action_space=env.action_space,
        device=env.device,
    )  # fmt: skip
    trainer = SequentialTrainer(env=env, agents=agent, cfg={"timesteps": 64, "headless": True})
    trainer.train()
    changed = any(not torch.equal(old, new) for old, new in zip(before, models["policy"].parameters(), strict=True))
    assert changed, "PPO changed no weight"


if __name__ == "__main__":
    main()
