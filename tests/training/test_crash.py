"""kill -9 at random moments leaves a whole checkpoint, from which the run resumes to the same bits.

TINYFFT_CRASHES is the number of kills (default: 5). A killed run is resumed until it ends.
"""

import os
import random
import signal
import time

from program import metrics, start
from test_resume import LONG, weights, whole  # noqa: F401

CRASHES = int(os.environ.get("TINYFFT_CRASHES", "5"))
EVERY_STEP = ("--set", "checkpoint.every_steps=1", "algorithm=fft")


def test_a_run_that_is_killed_repeatedly_ends_with_the_same_bits(pictures, tmp_path, whole):  # noqa: F811
    moments = random.Random(5)
    begin = ("--config", "cifar", "--data", pictures, "--device", "cpu", *LONG, *EVERY_STEP, "--out", "run")
    killed = 0
    while True:
        there = (tmp_path / "run" / "checkpoint.safetensors").exists()
        process = start(tmp_path, *(("--resume", "run", "--set", "checkpoint.every_steps=1") if there else begin))
        with process:
            try:
                if killed < CRASHES:
                    line = " "
                    while line and not line.startswith("writing"):
                        line = process.stdout.readline()
                    time.sleep(moments.uniform(0, 0.15))
                    process.send_signal(signal.SIGKILL)
                _, errors = process.communicate(timeout=100)
            finally:
                process.kill()
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0, errors
            if killed >= CRASHES:
                break
        killed += 1
        assert (tmp_path / "run" / "checkpoint.safetensors").exists() or killed == 1
        if process.returncode == 0:  # the run ended before the signal: start again
            os.rename(tmp_path / "run", tmp_path / f"ended-{killed}")
    assert (metrics(tmp_path / "run"), weights(tmp_path / "run")) == whole
