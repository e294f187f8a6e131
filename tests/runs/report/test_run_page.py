"""The report of a run, parsed as a browser does."""

import re
import sys

import numpy as np
import pytest
from made_up_run import CONFIG, LAYERS, Page, findings, history, run

from tinyfft.runs import report

SECTIONS = [
    *("result", "curves", "confusion", "examples", "first-layer-kernels", "time-per-layer"),
    *("configuration", "machine-and-versions", "command"),
]


def page(*arguments, **named):
    return Page(report.run_page(*arguments, **named))


def test_every_section_is_there_and_the_page_needs_no_other_file():
    text = report.run_page(run(history(0.5, 0.75, 0.625)), findings(layers=LAYERS))
    found = Page(text)
    assert found.sections == SECTIONS
    assert all(link.startswith(("data:", "#")) for link in found.links)
    assert sum(link.startswith("data:image/png;base64,") for link in found.links) == 4
    assert len(found.ids) == len(set(found.ids))
    assert not {"script", "link", "iframe", "object"} & set(found.tags)
    assert not re.search(r"https?:|@import|url\((?!#)", text)
    references = re.findall(r"url\(#([^)]*)\)", text) + [link[1:] for link in found.links if link[0] == "#"]
    assert references
    assert set(references) <= set(found.ids)


def test_the_numbers_are_those_of_the_epochs():
    rows = dict(page(run(history(0.5, 0.75, 0.625)), findings()).rows["result"])
    assert rows == {
        "epochs": "3 of 3",
        "minibatches": "12",
        "best epoch": "2, chosen on the test images themselves",
        "best epoch, test accuracy": "0.7500",
        "last epoch, test accuracy": "0.6250",
        "last epoch, test loss": "0.5000",
        "this page's network, test accuracy": "0.7500",
        "time of all epochs": "3.8 s",
        "training speed": "80 images/s",
    }


def test_with_validation_images_the_best_is_chosen_on_them():
    rows = dict(page(run(history(0.9, 0.5, 0.6, validation=(0.1, 0.2, 0.3))), findings()).rows["result"])
    assert rows["best epoch"] == "3, chosen on the validation images"
    assert (rows["best epoch, validation accuracy"], rows["best epoch, test accuracy"]) == ("0.3000", "0.6000")


def test_curves_of_all_splits_are_shown():
    found = page(run(history(0.5, 0.6, validation=(0.1, 0.2))), findings())
    assert found.texts["curves"].split()[:4] == ["Curves", "train", "test", "validation"]
    for label in ("loss", "accuracy", "learning rate at the end of the epoch"):
        assert label in found.texts["curves"]
    without_rate = [{key: m[key] for key in m if key != "learning_rate"} for m in history(0.5)]
    assert "learning rate" not in page(run(without_rate), findings()).texts["curves"]


def test_confusion_has_true_classes_as_rows_and_predicted_ones_as_columns():
    rows = page(run(history(0.5)), findings(confusion=((5, 1), (2, 4)))).rows["confusion"]
    assert rows == [["", "cat", "dog", "correct"], ["cat", "5", "1", "0.833"], ["dog", "2", "4", "0.667"]]


def test_of_many_classes_the_most_frequent_confusions_are_shown():
    confusion = np.eye(30, dtype=int) * 9
    confusion[3, 7], confusion[7, 3], confusion[29, 0] = 2, 5, 1
    rows = page(run(history(0.5)), findings([f"c{n}" for n in range(30)], confusion)).rows["confusion"]
    assert rows[1:] == [["c7", "c3", "5 of 14"], ["c3", "c7", "2 of 11"], ["c29", "c0", "1 of 10"]]


def test_examples_show_their_predictions():
    text = page(run(history(0.5)), findings()).texts["examples"]
    assert "cat 0.90" in text
    assert "dog 0.75is cat" in text


def test_names_are_escaped():
    hostile = ('<script>alert("1")</script>', "a&b\"'><img src=http://evil.example/x>")
    text = report.run_page(
        run(history(0.5), config="# </pre><script>", path="runs/<b>$x$", data="<i>images"), findings(hostile)
    )
    found = Page(text)
    assert not {"script", "b", "i"} & set(found.tags)
    assert all(link.startswith(("data:", "#")) for link in found.links)
    assert [row[0] for row in found.rows["confusion"][1:]] == list(hostile)
    assert found.alts[:2] == [hostile[0], hostile[0]]
    assert "# </pre><script>" in found.texts["configuration"]


def test_a_name_in_invalid_utf8_is_replaced():
    text = report.run_page(run(history(0.5), path="runs/\udcff"), findings(("a\udcff", "b")))
    assert text.encode("utf-8").decode("utf-8") == text
    assert "<h1>runs/?: " in text
    assert Page(text).rows["confusion"][0][1:3] == ["a?", "b"]


def test_configuration_machine_and_commands_are_shown():
    found = page(run(history(0.5)), findings())
    assert CONFIG in found.texts["configuration"]
    assert found.rows["machine-and-versions"] == [["numpy", "2.0"]]
    assert "python train.py --config cifar" in found.texts["command"]


def test_times_of_layers_are_shown():
    found = page(run(history(0.5)), findings(layers=LAYERS))
    assert found.rows["time-per-layer"][1:] == [
        ["0 Convolution 3-2 k5x5", "1.500", "-", "2.500", "fft / - / direct"],
        ["1 ReLU", "0.250", "0.500", "0.125", ""],
    ]


def test_a_run_in_which_no_epoch_has_ended():
    found = page(run([]), findings())
    assert found.sections == SECTIONS
    rows = dict(found.rows["result"])
    assert (rows["epochs"], rows["best epoch"], rows["training speed"]) == ("0 of 3", "-", "-")
    assert "No epoch has ended." in found.texts["curves"]


def test_a_run_without_test_images():
    partial = [{key: value for key, value in m.items() if not key.startswith("test")} for m in history(0.5, 0.6)]
    found = page(run(partial), findings())
    assert dict(found.rows["result"])["last epoch, test accuracy"] == "-"
    assert found.texts["curves"].split()[:2] == ["Curves", "train"]


def test_one_class_no_convolution_and_nothing_wrong():
    one = findings(("only",), ((3,),))._replace(kernels=None)
    found = page(run(history(1.0)), one)
    assert found.rows["confusion"] == [["", "only", "correct"], ["only", "3", "1.000"]]
    assert "No test image is classified wrongly." in found.texts["examples"]
    assert "The network has no convolution." in found.texts["first-layer-kernels"]


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(report.ReportError, match=r"charts need matplotlib .*: pip install -e '\.\[report\]'"):
        report.run_page(run(history(0.5)), findings())
