"""What only a CUDA device has."""
