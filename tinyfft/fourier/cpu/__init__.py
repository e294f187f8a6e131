"""The CPU's transforms: short DFTs as matrix products, in threads, a cacheful of planes at a time."""
