"""PPO in one file, read from top to bottom, on a natively batched environment.

    python docs/examples/cleanrl_ppo.py

After CleanRL's ppo.py (https://github.com/vwxyzjn/cleanrl, Copyright (c) 2019 CleanRL developers, MIT licence). Besides
the id in `Settings`, nothing here knows of matgym. Two things are not as in CleanRL: `gym.make_vec` makes all
environments as one batch, and the return of what the time limit cut off goes on with the value of `final_obs`, since
environments in SAME_STEP mode have begun anew by the time that `step` answers.
"""
# ruff: noqa: D102, PLR0915, S101  # CleanRL's style: a script, read top to bottom

import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.distributions.categorical import Categorical

import matgym  # noqa: F401  # registers the environments


@dataclass(frozen=True)
class Settings:
    """What may be changed."""

    env_id: str = "matgym/NanotubeDoping-v0"
    seed: int = 1
    total_timesteps: int = 400_000
    learning_rate: float = 2e-3
    num_envs: int = 128
    num_steps: int = 16
    anneal_lr: bool = True
    gamma: float = 0.97  # below 1: with values beyond the time limit, putting off for ever would else cost nothing
    gae_lambda: float = 0.98
    num_minibatches: int = 4
    update_epochs: int = 4
    clip_coef: float = 0.2
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    hidden: int = 128
    threads: int = 1


def layer(inputs, outputs, std=2**0.5):
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, std)
    nn.init.constant_(linear.bias, 0.0)
    return linear


class Agent(nn.Module):
    """A policy and a value, each a network of its own."""

    def __init__(self, envs, hidden):
        super().__init__()
        seen, choices = int(np.prod(envs.single_observation_space.shape)), int(envs.single_action_space.n)

        def network(outputs, std):
            return nn.Sequential(
                layer(seen, hidden), nn.Tanh(), layer(hidden, hidden), nn.Tanh(), layer(hidden, outputs, std)
            )

        self.critic, self.actor = network(1, 1.0), network(choices, 0.01)

    def get_value(self, x):
        return self.critic(x).flatten()

    def get_action_and_value(self, x, action=None):
        chances = Categorical(logits=self.actor(x))
        action = chances.sample() if action is None else action
        return action, chances.log_prob(action), chances.entropy(), self.get_value(x)


def train(args, on_update=lambda *_: None, **env_arguments):
    """Train, and return the agent with the mean episodic return of each update."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    envs = gym.make_vec(args.env_id, num_envs=args.num_envs, **env_arguments)
    assert isinstance(envs.single_action_space, gym.spaces.Discrete), "only discrete actions are supported"
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP, "final_obs is read in SAME_STEP mode"
    agent = Agent(envs, args.hidden)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)

    batch_size = args.num_envs * args.num_steps
    obs = torch.zeros((args.num_steps, args.num_envs, *envs.single_observation_space.shape))
    actions = torch.zeros((args.num_steps, args.num_envs), dtype=torch.long)
    logprobs, rewards, dones, values = torch.zeros((4, args.num_steps, args.num_envs))
    returns_so_far, curve = np.zeros(args.num_envs), []

    next_obs = torch.as_tensor(envs.reset(seed=args.seed)[0])
    next_done = torch.zeros(args.num_envs)
    num_updates = args.total_timesteps // batch_size
    for update in range(num_updates):
        if args.anneal_lr:
            optimizer.param_groups[0]["lr"] = args.learning_rate * (1.0 - update / num_updates)

        # Collect.
        finished = []
        for step in range(args.num_steps):
            obs[step], dones[step] = next_obs, next_done
            with torch.no_grad():
                actions[step], logprobs[step], _, values[step] = agent.get_action_and_value(next_obs)
            observation, reward, terminations, truncations, infos = envs.step(actions[step].numpy())
            done = terminations | truncations
            returns_so_far += reward
            finished += returns_so_far[done].tolist()
            returns_so_far[done] = 0.0
            cut = truncations & ~terminations
            if cut.any():  # it would have gone on from where it was, not from where it begins anew
                last = np.stack(list(infos["final_obs"][cut])).astype(np.float32)
                with torch.no_grad():
                    reward = reward.copy()
                    reward[cut] += args.gamma * agent.get_value(torch.as_tensor(last)).numpy()
            rewards[step] = torch.as_tensor(reward)
            next_obs, next_done = torch.as_tensor(observation), torch.as_tensor(done, dtype=torch.float32)
        curve.append(float(np.mean(finished)) if finished else float("nan"))
        on_update((update + 1) * batch_size, curve[-1])

        # Generalised advantages, from the last step back.
        with torch.no_grad():
            advantages, last_advantage, next_value = torch.zeros_like(rewards), 0.0, agent.get_value(next_obs)
            for t in reversed(range(args.num_steps)):
                going_on = 1.0 - (next_done if t == args.num_steps - 1 else dones[t + 1])
                delta = rewards[t] + args.gamma * next_value * going_on - values[t]
                last_advantage = delta + args.gamma * args.gae_lambda * going_on * last_advantage
                advantages[t], next_value = last_advantage, values[t]
            returns = advantages + values

        # Learn.
        flat = [x.reshape(batch_size, *x.shape[2:]) for x in (obs, actions, logprobs, advantages, returns)]
        for _ in range(args.update_epochs):
            for rows in np.array_split(rng.permutation(batch_size), args.num_minibatches):
                seen, acted, old_logprob, advantage, value_target = (x[rows] for x in flat)
                _, logprob, entropy, value = agent.get_action_and_value(seen, acted)
                ratio = (logprob - old_logprob).exp()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                clipped = ratio.clamp(1.0 - args.clip_coef, 1.0 + args.clip_coef)
                policy_loss = -torch.min(advantage * ratio, advantage * clipped).mean()
                value_loss = 0.5 * ((value - value_target) ** 2).mean()
                loss = policy_loss - args.ent_coef * entropy.mean() + args.vf_coef * value_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()
    envs.close()
    return agent, curve


def main():
    start, args = time.perf_counter(), Settings()
    batch = args.num_envs * args.num_steps

    def on_update(step, mean_return):
        if step // batch % 16 == 1:
            print(f"{step:8,} steps  {time.perf_counter() - start:4.0f} s  mean episodic return {mean_return:.3f}")

    _, curve = train(args, on_update)
    print(f"mean episodic return: {np.mean(curve[:10]):.3f} at first, {np.mean(curve[-10:]):.3f} at last")


if __name__ == "__main__":
    main()
