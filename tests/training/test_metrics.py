from tinyfft.training.metrics import RunningMetrics


def test_results_are_read_late_and_in_order():
    running, read = RunningMetrics(), []

    def results(loss, correct):
        return lambda: read.append(loss) or (loss, correct)

    running.add(4, results(0.5, 3))
    running.drain(keep=1)
    assert (read, running.last_loss, running.images, running.batches) == ([], None, 4, 1)
    running.add(2, results(2.0, 1))
    running.drain(keep=1)
    assert (read, running.last_loss) == ([0.5], 0.5)
    running.drain()
    assert read == [0.5, 2.0]
    assert running.means() == {"loss": 6.0 / 6, "accuracy": 4 / 6, "images": 6}
    assert RunningMetrics(**running.state()).means() == running.means()
