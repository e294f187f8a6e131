"""Whole training iterations, tinyfft beside PyTorch: gradients to zero, forward, loss, backward, a step of SGD.

    python -m benchmarks.iteration [--device cpu] [--configs paper cifar] [--precisions fp32 tf32 bf16]
                                   [--batch-size N] [--set KEY=VALUE ...] [--json FILE] [--markdown FILE]

Both train the same network on the same random minibatch, at equal precision, in one run; before anything is timed
their losses are compared. The peer is the best of its variants (torch_iteration.py), for the iteration, for the forward
pass apart, and for the network in use, whose spectra of weights are kept. Memory is the most that CuPy's and PyTorch's
allocators had given out at once, on a CPU what a process of its own needed (resident_memory.py); there page faults are
counted too.
"""

import argparse
import math
from typing import Any

import models
import tinyfft
from benchmarks import iteration_tables, peers, report, resident_memory, torch_iteration
from benchmarks.clock import milliseconds
from benchmarks.peak_memory import cupy_peak_bytes
from tinyfft.backend import Device
from tinyfft.config import Config, load_config
from tinyfft.runs.inference import Inference
from tinyfft.timing import Iteration

LOSS_BOUND = {"fp32": 1e-5, "tf32": 1e-3, "bf16": 2e-2}
"""How far two losses at equal precision may lie apart, relative to their size."""


def main() -> None:
    options = _options()
    device = report.use_device(options.device)
    options.precisions = report.precisions(options.precisions, device)
    found = {"machine": report.machine(device) | peers.prepare(device)}
    found |= {"command": report.command("python -m benchmarks.iteration", options), "rows": []}
    for name in options.configs:
        for precision in options.precisions:
            found["rows"].append(measure(name, precision, options, device))
            print(iteration_tables.line(found["rows"][-1]), flush=True)
            report.write(options, found, iteration_tables.markdown(found))
            peers.free_memory(device)


def measure(name: str, precision: str, options: argparse.Namespace, device: Device) -> dict[str, Any]:
    """One config at one precision: our figures, and those of each of PyTorch's variants."""
    overrides = [*options.set, f"precision={precision}"]
    overrides += [f"batch_size={options.batch_size}"] if options.batch_size else []
    config = load_config(name, overrides)
    tinyfft.manual_seed(config.seed)
    ours = Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)
    losses = _compare_losses(ours, precision)
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
    """Our peak, and on a CPU the page faults of an iteration."""
    device = ours.network.device
    if device.kind == "cuda":
        return {"peak_bytes": cupy_peak_bytes(device, ours.run), "page_faults": None}
    peak = resident_memory.measure(config, "tinyfft", overrides)
    return {"peak_bytes": peak, "page_faults": resident_memory.page_faults(ours.run)}


def _inference_ms(ours: Iteration, config: Config, batch_size: int) -> float:
    """Of our network in use. It goes back to training: the peer takes its mode over."""
    inference = Inference(ours.network, config, batch_size)
    ms = milliseconds(inference.run, ours.network.device)
    ours.network.training()
    return ms


def _variant(ours: Iteration, precision: str, layout: str, how: str) -> dict[str, Any]:
    """Its measurements, or the failure in place of them: a variant that fails shall be seen in the table."""
    peers.free_memory(ours.network.device)
    try:
        return torch_iteration.measure(ours, precision, layout, how)
    except RuntimeError as error:
        return {"failure": str(error).partition("\n")[0]}


def _compare_losses(ours: Iteration, precision: str) -> dict[str, float]:
    """Both losses on the same weights. Raises ArithmeticError if they differ: then the two train different networks."""
    loss = float(ours.criterion.forward(ours.network.forward(ours.input), ours.target))
    peer = torch_iteration.TorchIteration(ours, precision, "NCHW").loss().item()
    if not math.isclose(loss, peer, rel_tol=LOSS_BOUND[precision]):
        raise ArithmeticError(f"the loss is {loss}, PyTorch's {peer}, expected at most {LOSS_BOUND[precision]:g} apart")
    return {"ours": loss, "peer": peer}


def _options() -> argparse.Namespace:
    parser = report.parser("iteration", __doc__)
    report.add_device(parser)
    parser.add_argument("--configs", nargs="+", default=["paper", "cifar"], metavar="NAME", help="from configs/")
    report.add_precisions(parser)
    parser.add_argument("--batch-size", type=int, metavar="N", help="the minibatch, in place of the config's")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change keys of the configs")
    return parser.parse_args()


if __name__ == "__main__":
    report.run(main)
