"""A made-up report of `benchmarks.layers`."""

PASSES = ("updateOutput", "updateGradInput", "accGradParameters")


def layer_row(name="net-L1", precision="fp32", ours=2.0, peer=3.0, error=1e-7, **more):
    """Return a row whose passes take `ours` and `peer` milliseconds each, and two thirds of the sum when kept."""
    ours_ms = dict.fromkeys(PASSES, ours) | {"sum": 3 * ours, "kept": 2 * ours}
    peer_ms = dict.fromkeys(PASSES, peer) | {"sum": 3 * peer}
    return {
        "layer": name,
        "shape": {"S": 128, "C": 96, "F": 256, "n": 32, "k": 7, "padding": 0},
        "precision": precision,
        "lengths": [36, 36],
        "tiles": 1,
        "ours_ms": ours_ms,
        "peer_ms": peer_ms,
        "peer_layouts": dict.fromkeys(PASSES, "NCHW"),
        "ratio": {key: peer_ms["sum" if key == "kept" else key] / ours_ms[key] for key in ours_ms},
        "errors": dict.fromkeys(PASSES, error),
        "peer_errors": dict.fromkeys(PASSES, 10 * error),
        **more,
    }


def layer_report(*rows):
    return {"machine": {"hardware": "a GPU", "PyTorch": "2.0"}, "command": "python -m it", "rows": list(rows)}
