"""The GPU's transforms and products: kernels written for each length, and tensor-core products of spectra."""
