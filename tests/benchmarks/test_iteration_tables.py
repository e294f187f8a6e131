"""The tables of whole iterations, from a report that is made up."""

import pytest

from benchmarks import iteration_tables


def row(*peers, ours=(8.0, 2.0)):
    figures = {"iteration_ms": ours[0], "forward_ms": ours[1], "peak_bytes": 2**20, "page_faults": 7}
    figures |= {"inference_ms": {1: 0.5, 128: 2.0}}
    return {"config": "paper", "batch_size": 128, "precision": "fp32", "ours": figures, "peers": list(peers)}


def variant(how, layout, iteration_ms, forward_ms):
    figures = {"optimizer": "fused", "iteration_ms": iteration_ms, "forward_ms": forward_ms, "peak_bytes": 3 * 2**20}
    figures |= {"inference_ms": {1: iteration_ms / 10, 128: forward_ms}}
    return {"how": how, "layout": layout, **figures}


EAGER, GRAPH = variant("eager", "NCHW", 20.0, 1.5), variant("CUDA graph", "channels_last", 16.0, 4.0)
FAILED = {"how": "CUDA graph", "layout": "NCHW", "failure": "operation not permitted"}


def test_the_best_variant_is_taken_for_each_figure():
    assert iteration_tables.line(row(EAGER, FAILED, GRAPH)) == (
        "| paper | 128 | fp32 | 16.00 | CUDA graph, channels_last | 8.00 | **2.00** | 1.50 / 2.00 | **0.75** | 3 / 1 "
        "| 7 |"
    )


def test_every_variant_is_listed_and_a_failure_named():
    found = {"machine": {"hardware": "a GPU"}, "command": "python -m it", "rows": [row(EAGER, FAILED)]}
    text = iteration_tables.markdown(found)
    assert text.splitlines()[-2:] == [
        "| paper | fp32 | eager, NCHW | fused | 20.00 | 1.50 | 3 |",
        "| paper | fp32 | CUDA graph, NCHW | failed: operation not permitted | - | - | - |",
    ]
    assert "\n- paper, fp32: forward 0.75\n" in text
    assert "fp32: iteration" not in text


def test_networks_in_use_have_a_row_for_each_minibatch():
    found = {"machine": {"hardware": "a GPU"}, "command": "python -m it", "rows": [row(EAGER, FAILED, GRAPH)]}
    lines = iteration_tables.markdown(found).splitlines()
    assert "| paper | fp32 | 1 | 1.600 | CUDA graph, channels_last | 0.500 | **3.20** |" in lines
    assert "| paper | fp32 | 128 | 1.500 | eager, NCHW | 2.000 | **0.75** |" in lines


def test_without_a_variant_that_ran_there_is_no_figure():
    with pytest.raises(RuntimeError, match="paper, fp32: every variant failed"):
        iteration_tables.line(row(FAILED))
