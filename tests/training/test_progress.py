import io
import time

import pytest

from tinyfft.training import progress


def run(shown, batches=3):
    with shown.start("epoch 1/2", batches):
        for number in range(3):
            shown.advance(10, 0.5 + number)


def test_without_a_least_time_each_minibatch_prints_a_line(capsys):
    run(progress.Lines(seconds=0))
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.rpartition(", ")[0] for line in lines] == [
        "epoch 1/2: minibatch 1/3, loss 0.5000",
        "epoch 1/2: minibatch 2/3, loss 1.5000",
        "epoch 1/2: minibatch 3/3, loss 2.5000",
    ]
    assert all(line.endswith(" images/s") for line in lines)
    assert err == ""


def test_without_a_loss_none_is_shown(capsys):
    shown = progress.Lines(seconds=0)
    with shown.start("test", 2):
        shown.advance(10)
    assert capsys.readouterr().out.startswith("test: minibatch 1/2, ")
    bars = progress.Bars()
    with bars.start("test", 2):
        time.sleep(0.2)
        bars.advance(10)
    out, err = capsys.readouterr()
    assert "images/s" in err
    assert "loss" not in out + err


def test_lines_are_rare(capsys):
    run(progress.Lines(seconds=3600))
    assert capsys.readouterr() == ("", "")


def test_a_bar_shows_loss_and_speed_on_standard_error(capsys):
    shown = progress.Bars()
    with shown.start("epoch 1/2", 3):
        time.sleep(0.2)  # tqdm draws at most ten times a second
        shown.advance(10, 0.5)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 1/2" in err
    assert "1/3" in err
    assert "loss 0.5000" in err
    assert "images/s" in err


def test_a_bar_is_removed_when_an_error_ends_the_loop(capsys):
    shown = progress.Bars()
    with pytest.raises(KeyboardInterrupt), shown.start("epoch 1/2", 3):
        raise KeyboardInterrupt
    assert capsys.readouterr().err.endswith("\r")


@pytest.mark.parametrize("shown", [progress.Lines(), progress.Bars()])
def test_written_lines_go_to_standard_output(capsys, shown):
    shown.write("device cpu")
    assert capsys.readouterr().out == "device cpu\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bars_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(progress.for_terminal(), progress.Bars)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(progress.for_terminal(), progress.Lines)
