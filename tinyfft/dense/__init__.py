"""Operations on matrices and flat arrays, on the CPU and on a GPU."""
