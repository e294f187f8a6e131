/* Complex numbers: a product's sums on their way to memory, and what a difference of products needs. */
#pragma once
#include "split_terms.cuh"

__device__ __forceinline__ Halves negative(Halves x) {
    for (unsigned& both : x.of) both ^= 0x80008000;
    return x;
}

#if BF16
/* Write two neighbours of a row, of whole runs: the real parts of both are a word, and the imaginary ones. */
__device__ __forceinline__ void write_pair(number* out, int row, int column, int rows, int columns, float2 first,
                                           float2 second) {
    if (row >= rows || column >= columns) return;
    number* to = out + static_cast<long long>(row) * columns + word_offset(column);
    to[0] = to_bf16x2(first.x, second.x), to[BF16_BLOCK / 2] = to_bf16x2(first.y, second.y);
}
#else
struct alignas(2 * sizeof(number)) Pair {
    number first, second;
};

/* Write two neighbours of a row, as many of them as there are columns. */
__device__ __forceinline__ void write_pair(number* out, int row, int column, int rows, int columns, float2 first,
                                           float2 second) {
    if (row >= rows || column >= columns) return;
    number* to = out + static_cast<long long>(row) * columns + column;
    if (columns % 2 == 0) {
        *reinterpret_cast<Pair*>(to) = {first, second};
    } else {
        to[0] = first;
        if (column + 1 < columns) to[1] = second;
    }
}
#endif
