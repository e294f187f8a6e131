"""Tables of layers, from made-up results."""

import math

from made_up import layer_report, layer_row

from benchmarks import layers


def section(text, title):
    """The lines under a heading."""
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0].splitlines()


def test_the_row_of_times():
    assert layers.line(layer_row()) == (
        "net-L1 | 128 | fp32 | 36 x 36 | 3.000 / 3.000 / 3.000 | 2.000 / 2.000 / 2.000 | 1.50 / 1.50 / 1.50 "
        "| 9.000 / 6.000 | **1.50** | 4.000 | **2.25**"
    )


def test_the_page_lists_where_pytorch_is_faster():
    slow = layer_row("net-L5", "bf16", ours=4.0, peer=3.0)
    text = layers.markdown(layer_report(layer_row(), slow))
    passes = "updateOutput 0.75, updateGradInput 0.75, accGradParameters 0.75"
    assert section(text, "Where PyTorch is faster") == [f"- net-L5, bf16: {passes}, sum 0.75"]


def test_the_page_says_that_pytorch_is_nowhere_faster():
    text = layers.markdown(layer_report(layer_row()))
    assert section(text, "Where PyTorch is faster") == ["Nowhere."]


def test_errors_beyond_the_bound_are_bold_and_so_is_nan():
    rows = [layer_row(error=5e-6), layer_row(error=math.nan), layer_row(precision="tf32", error=1e-4)]
    beyond, nan, tf32 = section(layers.markdown(layer_report(*rows)), "Errors")[-3:]
    assert beyond.startswith("| net-L1 | fp32 | **5.0e-06** / ")
    assert nan.startswith("| net-L1 | fp32 | **nan** / ")
    assert tf32 == "| net-L1 | tf32 | 1.0e-04 / 1.0e-04 / 1.0e-04 | 1.0e-03 / 1.0e-03 / 1.0e-03 |"


def test_fft_conv_pytorch_has_a_table_where_it_was_timed():
    assert "fft-conv-pytorch" not in layers.markdown(layer_report(layer_row()))
    whole = layer_row(fft_conv_pytorch={"error": 2e-7, "forward_ms": 40.0, "forward_backward_ms": 90.0})
    part = layer_row("net-L2", fft_conv_pytorch={"error": 2e-7, "forward_ms": 40.0, "failure": "out of memory"})
    lines = section(layers.markdown(layer_report(whole, part)), "fft-conv-pytorch")
    assert lines[-2:] == [
        "| net-L1 | 40.000 | 90.000 | 2.0e-07 | 2.000 | 6.000 |",
        "| net-L2 | 40.000 | out of memory | 2.0e-07 | 2.000 | 6.000 |",
    ]
