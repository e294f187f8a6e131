"""deterministic = true: two processes with the same training end with the same weights, bit by bit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import numpy as np
import datasets, models, tinyfft
from tinyfft import nn, optim
from tinyfft.training.trainer import Trainer

device = tinyfft.use_device(sys.argv[1])
tinyfft.manual_seed(3)
network = models.convnet((3, 24, 24), 5, channels=(4, 16, 32), deterministic=True)
rng = np.random.default_rng(1)
images, labels = rng.integers(256, size=(96, 3, 24, 24), dtype=np.uint8), rng.integers(5, size=96)
loader = datasets.Loader(images, labels, 32, device, shuffle=True, crop=2, flip=True)
sgd = optim.SGD(*network.getParameters(), 0.05, 0.9)
trainer = Trainer(network, nn.CrossEntropyCriterion(), sgd, optim.Schedule("constant", 0.05, 6))
first = tinyfft.backend.to_host(sgd.weights).copy()
losses = [trainer.train_epoch(loader.epoch(number))["loss"] for number in (1, 2)]
np.savez(sys.argv[2], first=first, last=tinyfft.backend.to_host(sgd.weights), losses=losses)
"""


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_two_processes_train_to_the_same_bits(device, tmp_path):
    runs = []
    for name in ("one.npz", "two.npz"):
        command = [sys.executable, "-c", PROGRAM, device, str(tmp_path / name)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        runs.append(np.load(tmp_path / name))
    one, two = runs
    assert np.isfinite(one["last"]).all()
    assert (one["first"] != one["last"]).any()
    for key in ("first", "last", "losses"):
        assert one[key].tobytes() == two[key].tobytes(), key
