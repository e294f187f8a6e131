"""The engine for matrices and flat arrays: what is neither a plane nor a spectrum."""
