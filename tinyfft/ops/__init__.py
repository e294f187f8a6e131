"""The arithmetic of layers, losses and the optimizer on arrays: one file an operation, on the CPU and on a GPU."""
