"""Time one config's training iteration in tinyfft and in each of PyTorch's variants, after comparing the losses."""

import math
from collections.abc import Callable
from typing import Any

import models
import tinyfft
from benchmarks import peers, resident_memory, torch_iteration
from benchmarks.clock import milliseconds
from benchmarks.report import Options, Row
from tinyfft.backend import Device
from tinyfft.config import Config, load_config
from tinyfft.runs.inference import Inference
from tinyfft.timing import Iteration

LOSS_BOUND = {"fp32": 1e-5, "tf32": 1e-3, "bf16": 2e-2}
"""How much two losses at equal precision may differ, relative to their size."""


def measure(name: str, precision: str, options: Options, device: Device) -> Row:
    """Return times and memory of one config at one precision, for tinyfft and for each of PyTorch's variants."""
    overrides = [*options.set, f"precision={precision}"]
    overrides += [f"batch_size={options.batch_size}"] if options.batch_size else []
    config = load_config(name, overrides)
    tinyfft.manual_seed(config.seed)
    ours = Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)
    losses = compare_losses(ours, precision)
    row = {"config": name, "batch_size": config.batch_size, "precision": precision, "losses": losses}
    row["ours"] = {
        "iteration_ms": milliseconds(ours.run, device),
        "forward_ms": milliseconds(ours.forward, device),
        **_memory(ours, name, overrides),
        "inference_ms": {batch: _inference_ms(ours, config, batch) for batch in sorted({1, config.batch_size})},
        "algorithms": {
            path: module.algorithms for path, module in ours.network.modules() if hasattr(module, "algorithms")
        },
    }
    row["peers"] = [
        {"how": how, "layout": layout} | _variant(ours, precision, layout, how)
        for how in torch_iteration.RUNS[device.kind]
        for layout in peers.LAYOUTS
    ]
    for peer in row["peers"]:
        if device.kind == "cpu" and "failure" not in peer:
            peer["peak_bytes"] = resident_memory.measure(name, peer["layout"], overrides)
    return row


def _memory(ours: Iteration, config: str, overrides: list[str]) -> dict[str, int | None]:
    """Return tinyfft's peak, and on a CPU the page faults of an iteration."""
    device = ours.network.device
    if device.kind == "cuda":
        return {"peak_bytes": _cupy_peak_bytes(device, ours.run), "page_faults": None}
    peak = resident_memory.measure(config, "tinyfft", overrides)
    return {"peak_bytes": peak, "page_faults": resident_memory.page_faults(ours.run)}


def _cupy_peak_bytes(device: Device, call: Callable[[], Any]) -> int:
    """Return the peak during a call of what CuPy's memory pool has handed out, earlier allocations included."""
    pool = device.xp.get_default_memory_pool()

    class Peak(device.xp.cuda.MemoryHook):
        name = "peak bytes"
        peak = pool.used_bytes()

        def malloc_postprocess(self, **_: Any) -> None:
            self.peak = max(self.peak, pool.used_bytes())

    with Peak() as hook:
        call()
    return hook.peak


def _inference_ms(ours: Iteration, config: Config, batch_size: int) -> float:
    """Time inference, then set the network to training again: the PyTorch twin copies its mode."""
    inference = Inference(ours.network, config, batch_size)
    ms = milliseconds(inference.run, ours.network.device)
    ours.network.training()
    return ms


def _variant(ours: Iteration, precision: str, layout: str, how: str) -> Row:
    """Return the measurements of a variant, or its failure, which the table shows."""
    peers.free_memory(ours.network.device)
    try:
        return torch_iteration.measure(ours, precision, layout, how)
    except RuntimeError as error:
        return {"failure": str(error).partition("\n")[0]}


def compare_losses(ours: Iteration, precision: str) -> dict[str, float]:
    """Return both losses on the same weights. Raises ArithmeticError if they differ: the networks are not the same."""
    loss = float(ours.criterion.forward(ours.network.forward(ours.input), ours.target))
    peer = torch_iteration.TorchIteration(ours, precision, "NCHW").loss().item()
    if not math.isclose(loss, peer, rel_tol=LOSS_BOUND[precision]):
        raise ArithmeticError(f"the loss is {loss}, PyTorch's {peer}, expected at most {LOSS_BOUND[precision]:g} apart")
    return {"ours": loss, "peer": peer}
