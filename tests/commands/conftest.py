import pytest
from program import TINY, network_of, run


@pytest.fixture(scope="session")
def trained(pictures, tmp_path_factory):
    """Return a folder with a run whose network distinguishes red from blue."""
    folder = tmp_path_factory.mktemp("trained")
    rate = ("--set", *network_of(4, 4, 4), "optimizer.learning_rate=0.05", "algorithm=fft", "--epochs", "10")
    process = run(folder, "--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, *rate, "--out", "run")
    assert process.returncode == 0, process.stderr
    return folder
