/* Complex numbers: a product's sums on their way to memory, and what a difference of products needs. */
#pragma once
#include "parts.cuh"

__device__ __forceinline__ number to_number(float re, float im) {
#if BF16
    return to_bf16s(re, im);
#else
    return make_float2(re, im);
#endif
}

__device__ __forceinline__ Halves negative(Halves x) {
    for (unsigned& both : x.of) both ^= 0x80008000;
    return x;
}

struct alignas(2 * sizeof(number)) Pair {
    number first, second;
};

/* Write two neighbours of a row, as many of them as there are columns. */
__device__ __forceinline__ void write_pair(number* out, int row, int column, int rows, int columns, Pair pair) {
    if (row >= rows || column >= columns) return;
    number* to = out + static_cast<long long>(row) * columns + column;
    if (columns % 2 == 0) {
        *reinterpret_cast<Pair*>(to) = pair;
    } else {
        to[0] = pair.first;
        if (column + 1 < columns) to[1] = pair.second;
    }
}
