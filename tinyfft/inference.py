"""How long a network that is in use takes for a minibatch, the spectra of its weights being there already.

In evaluation a convolution's weights are transformed once, by the first forward pass, and their spectra kept: a pass
then needs two transforms and a product. On a GPU it is captured as a CUDA graph (cuda/graph.py). Times are
medians, after a warm-up; each clock starts and stops with an idle device.
"""

from typing import Any

import numpy as np

from tinyfft import nn
from tinyfft.config import Config
from tinyfft.cuda.graph import CapturedGraph
from tinyfft.timing import WARM_UP, median_ms
from tinyfft.training.step import capturable


class Inference:
    """The forward pass in evaluate() mode for `batch_size` random pictures, which can be run again and again."""

    def __init__(self, network: nn.Sequential, config: Config, batch_size: int) -> None:
        rng = np.random.default_rng(config.seed)
        shape = (batch_size, *config.timing.input_shape)
        self.network = network
        self.input = network.device.array(rng.standard_normal(shape, dtype=np.float32))
        network.evaluate()
        modules = [module for _, module in network.modules()]
        enabled = config.graph and capturable(modules)
        self._forward = CapturedGraph(network.forward, network.device, modules, enabled=enabled)

    def run(self) -> None:
        self._forward(self.input)


def measure(network: nn.Sequential, config: Config) -> dict[str, Any]:
    """What `train.py --time --inference --json` writes: for one picture, and for the config's minibatch."""
    device, minibatches = network.device, []
    for batch_size in sorted({1, config.batch_size}):
        inference = Inference(network, config, batch_size)
        for _ in range(WARM_UP):
            inference.run()
        ms = median_ms(device, inference.run)
        kept = sum(getattr(module, "kept_bytes", 0) for _, module in network.modules())
        minibatches.append(
            {"batch_size": batch_size, "ms": ms, "images_per_second": 1000 * batch_size / ms, "kept_bytes": kept}
        )
    named = {"device": str(device), "device_name": device.hardware, "precision": config.precision}
    return named | {"minibatches": minibatches}


def table(report: dict[str, Any]) -> str:
    """The measurements as text."""
    return "\n".join(
        f"minibatch {found['batch_size']}: {found['ms']:.3f} ms, {found['images_per_second']:.1f} images/s, "
        f"{report['precision']}; {found['kept_bytes'] / 2**20:.1f} MiB of spectra of weights kept"
        for found in report["minibatches"]
    )
