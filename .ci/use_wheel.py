"""A network, forward and backward, and the kernels' sources, from the installed package."""

from pathlib import Path

import numpy as np

import tinyfft
from tinyfft import nn, report
from tinyfft.cuda.source import kernel_directory, kernel_source

package = Path(tinyfft.__file__).parent
assert "site-packages" in package.parts, package
assert kernel_directory() == package / "kernels", kernel_directory()
assert "__global__" in kernel_source("spectrum")
assert (kernel_directory() / "fourier" / "transform.cuh").is_file()
assert (package / "py.typed").is_file()
assert report.NAME == "report.html"

tinyfft.use_device("cpu")
network = nn.Sequential(nn.FFTConvolution(3, 8, 5, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16 * 16, 10))
criterion = nn.CrossEntropyCriterion()
x, target = np.ones((2, 3, 16, 16), "float32"), np.array([1, 2])
loss = criterion.forward(network.forward(x), target)
gradient = network.backward(x, criterion.backward(network.output, target))
assert np.isfinite(loss)
assert gradient.shape == x.shape
print(f"tinyfft {tinyfft.__version__} from {package}: loss {loss:.3f}")
