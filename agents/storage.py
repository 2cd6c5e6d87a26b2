"""Stored agents: parameters as safetensors, and a card that describes the agent.

The .zip of Stable-Baselines3 holds pickles, and a pickle can run any program when it is read. This format needs no
pickles: see `matgym.learning.store`.
"""

import zipfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from pydantic import ValidationError
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.vec_env import VecEnv

from matgym.agents.cards import NAMED, SCHEDULES, SETTINGS, AgentCard, PolicyKwargs, SpaceCard
from matgym.agents.honeycomb.policies import HoneycombPolicy, Sized
from matgym.agents.sb3 import ALGORITHMS, constructor, schedule
from matgym.errors import ConfigurationError, WeightsError, one_line
from matgym.files import atomic_path, parse_json
from matgym.learning.config import first_error
from matgym.learning.devices import torch_device
from matgym.learning.store import Store, module_tensors, part

_UNFIT: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""The errors of Stable-Baselines3, PyTorch and Gymnasium for inconsistent settings."""

ENVIRONMENT: Final = "matgym_environment"
"""The name of the entry of a .zip that holds the environment of the training."""

LEARNED: Final = "log_ent_coef"
"""The name of the parameter that SAC and TQC learn besides their policy, if ent_coef is "auto"."""

ZIPS: Final = {policy.__module__: name for name in ALGORITHMS for policy in constructor(name).policy_aliases.values()}
"""Algorithms by the module of their policy, which identifies the algorithm of a .zip of Stable-Baselines3."""

ZOO: Final = Path(str(files("matgym.agents"))) / "zoo"
"""The folder of the agents that come with matgym, each known by the name of its file."""

STORE: Final = Store(
    AgentCard, "an agent", ZOO, packages=("matgym", "stable-baselines3", "sb3-contrib", "torch", "gymnasium")
)


def check_storable(
    agent: BaseAlgorithm, path: Path | str, *, environment: str, arguments: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Check, before a training, that `save_agent` can store the agent.

    Raises:
        ConfigurationError: if the agent holds something that JSON cannot.
        WeightsError: if `path` does not end in .safetensors, or no file can be written there.
    """
    STORE.check_path(Path(path))
    try:
        AgentCard(**_facts(agent, environment, arguments), sha256="0" * 64)  # there are no weights yet
    except ValidationError as error:
        raise ConfigurationError(f"the agent cannot be stored: {first_error(error)}") from None


def save_agent(
    agent: BaseAlgorithm,
    path: Path | str,
    *,
    environment: str,
    arguments: Mapping[str, Any] = MappingProxyType({}),
    **facts: object,
) -> AgentCard:
    """Write an agent's parameters to `path` (.safetensors) and its card beside it (.json).

    Optimizer states and replay buffers are not stored: a loaded agent acts like this one, and a further training starts
    from its parameters.

    Args:
        agent: an agent of one of `ALGORITHMS`.
        path: the file of the parameters.
        environment: the id of the environment of the training.
        arguments: the arguments of the environment: plain values, as in JSON.
        facts: further fields of the card, such as `seconds`, `designs` or `command`.

    Raises:
        ConfigurationError: if the agent holds something that JSON cannot, such as a custom policy.
        WeightsError: if `path` does not end in .safetensors.
    """
    STORE.check_path(Path(path))
    tensors = module_tensors("policy", agent.policy)
    if getattr(agent, LEARNED, None) is not None:
        tensors[LEARNED] = getattr(agent, LEARNED)
    return STORE.save(Path(path), tensors, _facts(agent, environment, arguments) | facts)


def save_zip(
    agent: BaseAlgorithm, path: Path | str, *, environment: str, arguments: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write an agent in the format of Stable-Baselines3, with optimizer state, atomically; see `save_agent`.

    `load` of Stable-Baselines3 reads the file; `zip_facts` returns the environment and its arguments.
    """
    setattr(agent, ENVIRONMENT, {"id": environment, "arguments": _plain(arguments)})
    with atomic_path(Path(path)) as scratch:
        agent.save(scratch)


def zip_facts(path: Path | str) -> tuple[str, dict[str, Any]]:
    """Return id and arguments of the environment of a .zip of `save_zip`; "" and {} for any other .zip."""
    with zipfile.ZipFile(path) as archive:
        content = parse_json(archive.read("data"), str(path))
    entry = content.get(ENVIRONMENT) if isinstance(content, dict) else None
    if not isinstance(entry, dict) or not isinstance(entry.get("arguments"), dict):
        return "", {}
    arguments = {name: value for name, value in entry["arguments"].items() if not name.startswith(":")}
    return str(entry.get("id", "")), arguments


def load_agent(
    path: Path | str, *, trust: bool = False, envs: VecEnv | None = None, device: str = "cpu"
) -> BaseAlgorithm:
    """Read an agent; `predict` works without environments, `learn` needs them.

    Args:
        path: a .safetensors file of `save_agent`, with its card in the same folder; the name of an agent that comes
            with matgym; or a .zip of Stable-Baselines3.
        trust: whether a .zip may be unpickled, which can run any program of its author.
        envs: the environments for further training; None for `predict` alone.
        device: the device of the networks; see `matgym.learning.devices`.

    Raises:
        WeightsError: if a file is missing, damaged, not what its card describes, or a .zip that is not trusted.
        ConfigurationError: if the device is not available.
    """
    file, place = Path(path), torch_device(device)
    if file.suffix == ".zip":
        return _unzipped(file, trust, envs, place)
    if file.suffix not in {"", ".safetensors"}:
        raise WeightsError(f"{file.name} is no stored agent: give a .safetensors file, or a .zip of Stable-Baselines3")
    file = STORE.located(path)
    return STORE.load(file, lambda card, tensors: _filled(_built(file, card, envs, place), file, card, tensors))


def _filled(agent: BaseAlgorithm, file: Path, card: AgentCard, tensors: dict[str, torch.Tensor]) -> BaseAlgorithm:
    """Load the stored parameters into an agent and return it, after checking their names and shapes."""
    learned = tensors.pop(LEARNED, None)
    expected = module_tensors("policy", agent.policy)
    for name in sorted(expected.keys() | tensors.keys()):
        here, there = (tuple(x[name].shape) if name in x else "absent" for x in (tensors, expected))
        if here != there:
            raise WeightsError(f"{file}: {name} is {here}, but in the {card.algorithm} of its card it is {there}")
    agent.policy.load_state_dict(part(tensors, "policy"))
    if (learned is None) != (getattr(agent, LEARNED, None) is None):
        raise WeightsError(f"{file}: {LEARNED} is there, but its card's ent_coef is a number, or the other way round")
    if learned is not None:
        getattr(agent, LEARNED).data.copy_(learned.reshape(1))
    agent.num_timesteps, agent.seed = card.timesteps, card.seed
    if card.exploration_rate is not None:
        agent.exploration_rate = card.exploration_rate  # type: ignore[attr-defined]  # DQN and QRDQN
    return agent


def _facts(agent: BaseAlgorithm, environment: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the card of an agent."""
    algorithm = type(agent).__name__
    if algorithm not in ALGORITHMS or type(agent) is not constructor(algorithm):
        raise ConfigurationError(f"a {algorithm} cannot be stored; there are {', '.join(ALGORITHMS)}")
    names = [name for name, kind in agent.policy_aliases.items() if kind is agent.policy_class]
    if not names:
        raise ConfigurationError(
            f"{agent.policy_class.__name__} cannot be stored: {algorithm} has {', '.join(agent.policy_aliases)} by name"
        )
    for buffer in (getattr(agent, f"{name}_buffer_class", None) for name in ("replay", "rollout")):
        if buffer is not None and not buffer.__module__.endswith(".buffers"):
            raise ConfigurationError(f"a {buffer.__name__} cannot be stored; the algorithm's own buffers can")
    observed, acted = SpaceCard.of(agent.observation_space), SpaceCard.of(agent.action_space)
    if (observed.space(), acted.space()) != (agent.observation_space, agent.action_space):
        raise ConfigurationError(f"{agent.observation_space} or {agent.action_space} cannot be stored without loss")
    settings = {name: getattr(agent, name) for name in SETTINGS[algorithm] if hasattr(agent, name)}
    return {
        "algorithm": algorithm,
        "policy": names[0],
        "policy_kwargs": _policy_card(_policy_kwargs(agent)),
        "settings": {name: _setting_card(name, value) for name, value in settings.items()},
        "n_envs": agent.n_envs,
        "seed": agent.seed,
        "timesteps": agent.num_timesteps,
        "exploration_rate": getattr(agent, "exploration_rate", None),
        "observation_space": observed,
        "action_space": acted,
        "environment": environment,
        "arguments": _plain(arguments),
    }


def _built(file: Path, card: AgentCard, envs: VecEnv | None, device: torch.device) -> BaseAlgorithm:
    """Return an agent as the card describes it, without the stored parameters."""
    kind = constructor(card.algorithm)
    if card.policy not in kind.policy_aliases:
        there = ", ".join(kind.policy_aliases)
        raise WeightsError(f"{file}: {card.algorithm} has no policy {card.policy!r}; there are {there}")
    try:
        settings: dict[str, Any] = {name: _setting(name, value) for name, value in card.settings.items()}
        observed, acted = card.observation_space.space(), card.action_space.space()
        with torch.random.fork_rng(
            devices=[]
        ):  # the initial parameters are overwritten: global random states must not change
            agent = kind(  # type: ignore[call-arg]  # the arguments depend on the subclass
                card.policy,
                envs,
                policy_kwargs={k: NAMED[k][str(v)] if k in NAMED else v for k, v in card.policy_kwargs.items()},
                device=device,
                _init_setup_model=envs is not None,
                **settings,
            )
            if envs is None:  # as in `load` of Stable-Baselines3
                agent.observation_space, agent.action_space, agent.n_envs = observed, acted, card.n_envs
                agent._setup_model()  # noqa: SLF001
    except (*_UNFIT, MemoryError) as error:
        raise WeightsError(f"{file}: its card does not make a {card.algorithm}: {one_line(error)}") from None
    if (agent.observation_space, agent.action_space) != (observed, acted):
        raise WeightsError(f"{file} was trained on {observed} and {acted}, which are not those of the environments")
    return agent


def _unzipped(file: Path, trust: bool, envs: VecEnv | None, device: torch.device) -> BaseAlgorithm:
    if not trust:
        raise WeightsError(
            f"{file} is not opened: Stable-Baselines3 unpickles its .zip, and a pickle can run any program; if you "
            "know who wrote it, give trust=True, and store the agent with save_agent"
        )
    try:
        with zipfile.ZipFile(file) as archive:  # JSON only: nothing is unpickled here
            data = parse_json(archive.read("data"), str(file))
        module = str(data["policy_class"]["__module__"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{file} is no agent of Stable-Baselines3: {error}") from None
    actor_critic = "PPO" if "clip_range" in data else "A2C"
    shared = module in {"stable_baselines3.common.policies", HoneycombPolicy.__module__}
    algorithm = actor_critic if shared else ZIPS.get(module)
    if algorithm is None:
        raise WeightsError(f"{file}: a policy of {module} does not tell its algorithm: open it by that one's own load")
    return constructor(algorithm).load(file, env=envs, device=device)


# ---- to JSON and back


def _policy_kwargs(agent: BaseAlgorithm) -> dict[str, Any]:
    """Return the arguments by which a policy is made again; its own weights replace those of its trunk."""
    if not isinstance(agent.policy, Sized):
        return dict(agent.policy_kwargs)
    return {name: value for name, value in agent.policy_kwargs.items() if name != "trunk"} | agent.policy.sizes


def _policy_card(arguments: Mapping[str, Any]) -> PolicyKwargs:
    """Return the arguments of a policy, with classes by name."""
    card = {}
    for name, value in arguments.items():
        if name in NAMED and value not in NAMED[name].values():
            there = ", ".join(NAMED[name])
            raise ConfigurationError(f"{name}={getattr(value, '__name__', value)} cannot be stored; there are {there}")
        card[name] = value.__name__ if name in NAMED else _plain(value)
    return card  # type: ignore[return-value]  # the card checks it


def _setting_card(name: str, value: Any) -> Any:
    """Return a hyper-parameter in the form of the card."""
    if name in SCHEDULES and callable(value):
        left = np.linspace(1.0, 0.0, 11)
        course = np.array([float(value(share)) for share in left])
        if (course == course[0]).all():
            return float(course[0])
        if np.allclose(course, course[0] * left, rtol=1e-12, atol=0.0):
            return f"lin_{float(course[0])!r}"
        raise ConfigurationError(
            f"{name} follows a course that cannot be stored: give a number, or let it fall to zero"
        )
    if name == "train_freq" and not isinstance(value, int):
        return [value[0], getattr(value[1], "value", value[1])]
    if isinstance(value, ActionNoise):
        noise = value.base_noise if isinstance(value, VectorizedActionNoise) else value
        if type(noise) is not NormalActionNoise:
            raise ConfigurationError(f"{name}={type(noise).__name__} cannot be stored; NormalActionNoise can")
        return {"mean": noise._mu.tolist(), "sigma": noise._sigma.tolist()}  # noqa: SLF001  # there is no public attribute
    return _plain(value)


def _setting(name: str, value: Any) -> Any:
    """Return a hyper-parameter of the card in the form of Stable-Baselines3."""
    if name in SCHEDULES:
        return schedule(value)
    if name == "train_freq" and isinstance(value, list):
        return tuple(value)
    if name == "action_noise" and value is not None:
        return NormalActionNoise(np.array(value["mean"]), np.array(value["sigma"]))
    return value


def _plain(value: Any) -> Any:
    """Return a value with NumPy numbers and tuples in the form of JSON; the card rejects other types."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value
