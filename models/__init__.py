"""Networks: functions that return an nn.Sequential. The keys of [model] in a config are their arguments."""

import dataclasses

from models.convnet import convnet
from models.paper import paper
from tinyfft import nn
from tinyfft.runs.config import Config

MODELS = {"convnet": convnet, "paper": paper}


def build(config: Config, input_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Return the config's network on the current device, for images of shape (C, H, W)."""
    arguments = dataclasses.asdict(config.model)
    function = MODELS[arguments.pop("name")]
    options = {name: getattr(config, name) for name in ("algorithm", "precision", "memory", "deterministic")}
    return function(input_shape, classes, **options, **arguments)


__all__ = ["MODELS", "build", "convnet", "paper"]
