"""Time whole training iterations, tinyfft beside PyTorch: zero the gradients, forward, loss, backward, a step of SGD.

    python -m benchmarks.iteration [--configs NAME ...] [--precisions fp32 ...] [--json FILE] [--markdown FILE]
    python -m benchmarks.iteration --from FILE ... --plots DIR

Both train the same network on the same random minibatch, at equal precision, in one run. The losses are compared before
anything is timed. PyTorch's time is the best of its variants (torch_iteration.py), chosen separately for the iteration,
for the forward pass and for inference. tinyfft keeps the spectra of the weights during inference. Memory is the peak of
what CuPy's and PyTorch's allocators have handed out. On a CPU it is the peak of a process for each side
(resident_memory.py), and page faults are counted too.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import figures, report
from benchmarks.report import Options, Report, Row

HEAD = (
    "config | minibatch | precision | PyTorch ms | its variant | tinyfft ms | **ratio**"
    " | forward, PyTorch / tinyfft | **ratio** | peak MiB, PyTorch / tinyfft | page faults"
)
VARIANT = "{peer[how]}, {peer[layout]}"
CELLS = (
    "{config} | {batch_size} | {precision} | {peer[iteration_ms]:.2f} | " + VARIANT + " | {ours[iteration_ms]:.2f}"
    " | **{ratio:.2f}** | {peer_forward_ms:.2f} / {ours[forward_ms]:.2f} | **{forward_ratio:.2f}**"
    " | {peer_peak} / {ours_peak} | {page_faults}"
)
TEXT = (
    "One training iteration. Ratio: PyTorch's time / tinyfft's, below 1 where PyTorch is faster. PyTorch is the fastest"
    " of its variants, listed below; its forward pass is the fastest among all variants. Page faults are those of one"
    " iteration of tinyfft."
)
INFERENCE_HEAD = "config | precision | minibatch | PyTorch ms | its variant | tinyfft ms | **ratio**"
INFERENCE_CELLS = (
    "{config} | {precision} | {minibatch} | {peer_ms:.3f} | " + VARIANT + " | {ours_ms:.3f} | **{ratio:.2f}**"
)
INFERENCE_TEXT = "The forward pass in evaluation mode. tinyfft has the spectra of the weights from an earlier pass."
VERSIONS = ("PyTorch", "cuDNN", "CUDA", "threads", "tinyfft")  # of the machine, in the figure
VARIANTS_HEAD = "config | precision | variant | optimizer | iteration ms | forward ms | peak MiB"
VARIANTS_CELLS = "{config} | {precision} | " + VARIANT + " | {optimizer} | {iteration} | {forward} | {peak}"


def main() -> None:
    flags = ("device", "configs", "precisions", "batch-size", "set", "plots", "from")
    options = report.parse("iteration", __doc__, *flags, configs={"default": ["paper", "cifar"]})
    report.produce(options, measure, markdown, plot)


def measure(options: Options) -> Report:
    """Measure each config at each precision."""
    from benchmarks import iteration_timing, peers  # PyTorch, which --from does not need

    device = report.use_device(options.device)
    options.precisions = report.precisions(options.precisions, device)
    found = report.begin("iteration", options, device, peers.prepare(device))
    for name in options.configs:
        for precision in options.precisions:
            row = iteration_timing.measure(name, precision, options, device)
            report.add(found, row, CELLS.format_map(with_best(row)), options, markdown)
            peers.free_memory(device)
    return found


def markdown(found: Report) -> str:
    rows = [with_best(row) for row in found["rows"]]
    paragraphs = [
        TEXT,
        report.table(HEAD, CELLS, rows),
        "## Where PyTorch is faster",
        report.slower(map(_ratios, rows)),
    ]
    inference = [each for row in rows for each in _inference(row)]
    if inference:
        table = report.table(INFERENCE_HEAD, INFERENCE_CELLS, inference)
        paragraphs += ["## Networks in use", INFERENCE_TEXT, table]
    variants = [_variant(row, peer) for row in rows for peer in row["peers"]]
    paragraphs += ["## PyTorch's variants", report.table(VARIANTS_HEAD, VARIANTS_CELLS, variants)]
    return report.document("Whole training iterations: tinyfft beside PyTorch", found, *paragraphs)


def with_best(row: Row) -> Row:
    """Return the row with PyTorch's fastest variant, its fastest forward pass, the ratios and other cells."""
    ours, peer, forward_ms = row["ours"], best(row), best(row, "forward_ms")["forward_ms"]
    return row | {
        "peer": peer,
        "peer_forward_ms": forward_ms,
        "ratio": peer["iteration_ms"] / ours["iteration_ms"],
        "forward_ratio": forward_ms / ours["forward_ms"],
        "peer_peak": _mebibytes(peer),
        "ours_peak": _mebibytes(ours),
        "page_faults": "-" if ours["page_faults"] is None else ours["page_faults"],
    }


def best(row: Row, key: str = "iteration_ms") -> Row:
    """Return the variant of PyTorch whose `key` is least. Raises RuntimeError if all variants failed."""
    return min(_ran(row), key=lambda peer: peer[key])


def _ran(row: Row) -> list[Row]:
    ran = [peer for peer in row["peers"] if "failure" not in peer]
    if not ran:
        raise RuntimeError(f"{row['config']}, {row['precision']}: every variant failed: {row['peers']}")
    return ran


def _inference(row: Row) -> Iterator[Row]:
    """Yield a row for each size of a minibatch; none for a report made before inference was measured."""
    for size, ours_ms in row["ours"].get("inference_ms", {}).items():
        peer = min(_ran(row), key=lambda peer, size=size: peer["inference_ms"][size])
        peer_ms = peer["inference_ms"][size]
        times = {"peer_ms": peer_ms, "ours_ms": ours_ms, "ratio": peer_ms / ours_ms}
        yield row | {"minibatch": size, "peer": peer} | times


def _variant(row: Row, peer: Row) -> Row:
    """Return one variant's cells."""
    if "failure" in peer:
        cells = {"optimizer": f"failed: {peer['failure']}", "iteration": "-", "forward": "-", "peak": "-"}
    else:
        times = {name: f"{peer[f'{name}_ms']:.2f}" for name in ("iteration", "forward")}
        cells = times | {"optimizer": peer["optimizer"], "peak": _mebibytes(peer)}
    return row | {"peer": peer} | cells


def _ratios(row: Row) -> tuple[str, dict[str, float]]:
    return f"{row['config']}, {row['precision']}", {"iteration": row["ratio"], "forward": row["forward_ratio"]}


def _mebibytes(side: Row) -> str:
    return "-" if side["peak_bytes"] is None else f"{side['peak_bytes'] / 2**20:.0f}"


def plot(found: Report, folder: Path) -> None:
    """Draw iteration.svg: for each row a bar of PyTorch's best time and a bar of tinyfft's, with the ratio."""
    rows = [with_best(row) for row in found["rows"]]
    peer_ms, ours_ms = ([row[side]["iteration_ms"] for row in rows] for side in ("peer", "ours"))
    ratios = [f"{row['ratio']:.1f} times as fast" for row in rows]
    figure, ax = figures.pyplot().subplots(figsize=(7.3, 1.6 + 0.8 * len(rows)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    places = np.arange(len(rows))
    bars = ax.barh(places - 0.2, peer_ms, 0.38, color=figures.COLOURS["PyTorch"], label="PyTorch, best variant")
    ax.bar_label(bars, map(_time, peer_ms), padding=4, fontsize=12)
    bars = ax.barh(places + 0.2, ours_ms, 0.38, color=figures.COLOURS["tinyfft"], label="tinyfft")
    labels = [f"{_time(ms)}, {ratio}" for ms, ratio in zip(ours_ms, ratios, strict=True)]
    ax.bar_label(bars, labels, padding=4, fontsize=12, fontweight="bold", color=figures.COLOURS["tinyfft"])
    names = [f"{row['config']}, {row['precision']}\nminibatch {row['batch_size']}" for row in rows]
    ax.set_yticks(places, names, fontsize=12)
    ax.set_xticks([])  # each bar has its time
    ax.tick_params(length=0)
    ax.invert_yaxis()
    ax.margins(x=0.15)  # room for the longest bar's time
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    figure.suptitle("Time of one training iteration (shorter is better)", fontsize=14, fontweight="bold")
    versions = (f"{name} {found['machine'][name]}" for name in VERSIONS if name in found["machine"])
    caption = ", ".join([found["machine"]["hardware"], *versions])
    legend = {"fontsize": 12, "title": caption, "title_fontsize": 11, "frameon": False}
    figure.legend(loc="outside lower center", ncols=2, **legend)
    figures.save(figure, folder / "iteration.svg")


def _time(ms: float) -> str:
    return f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.{1 if ms >= 10 else 2}f} ms"


if __name__ == "__main__":
    report.run(main)
