"""Time the forward pass of a network in evaluation mode, for one image and for a minibatch.

In evaluation mode the first forward pass transforms a convolution's weights and keeps their spectra: later passes need
two transforms and a product. A GPU launches the pass as one CUDA graph. Times are medians after a warm-up; the clock
starts and stops when the device is idle.
"""

from typing import Any

import numpy as np

from tinyfft import nn
from tinyfft.cuda.graph import CapturedGraph
from tinyfft.runs.config import Config
from tinyfft.runs.timing import WARM_UP_RUNS, median_ms
from tinyfft.training.step import capturable


class Inference:
    """A repeatable forward pass in evaluation mode on random images."""

    def __init__(self, network: nn.Sequential, config: Config, batch_size: int) -> None:
        """
        network     put into evaluation mode
        config      gives the images' shape (config.timing), the seed and whether to use a CUDA graph
        batch_size  number of images
        """
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
    """Return the report of `train.py --time --inference --json`: for one image and for the config's minibatch."""
    device, minibatches = network.device, []
    for batch_size in sorted({1, config.batch_size}):
        inference = Inference(network, config, batch_size)
        for _ in range(WARM_UP_RUNS):
            inference.run()
        ms = median_ms(device, inference.run)
        kept = sum(getattr(module, "kept_bytes", 0) for _, module in network.modules())
        minibatches.append(
            {"batch_size": batch_size, "ms": ms, "images_per_second": 1000 * batch_size / ms, "kept_bytes": kept}
        )
    return {
        "device": str(device),
        "device_name": device.hardware,
        "precision": config.precision,
        "minibatches": minibatches,
    }


def table(report: dict[str, Any]) -> str:
    """Return the report of `measure` as text, one line per minibatch."""
    return "\n".join(
        f"minibatch {row['batch_size']}: {row['ms']:.3f} ms, {row['images_per_second']:.1f} images/s, "
        f"{report['precision']}; {row['kept_bytes'] / 2**20:.1f} MiB of spectra of weights kept"
        for row in report["minibatches"]
    )
