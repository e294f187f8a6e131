/* Complex numbers: a product's sums on their way to memory, and what a difference of products needs. */
#pragma once
#include "parts.cuh"

__device__ __forceinline__ Halves negative(Halves x) {
    for (unsigned& both : x.of) both ^= 0x80008000;
    return x;
}

/* Write sixteen neighbours of a row, of which each of four lanes has four: those in the columns 2 (l % 4) and the next one
   from `column` on, and those eight further on; as many of them as there are columns. All lanes of a warp do it
   together. */
__device__ __forceinline__ void write_run(number* out, int row, int column, int rows, int columns,
                                          const float2 (&numbers)[4]);

#if BF16
/* Of four lanes with four words each, word i of lane j becomes word j of lane i. */
__device__ __forceinline__ void transpose(unsigned (&words)[4]) {
#pragma unroll
    for (int apart = 1; apart < 4; apart *= 2)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if (i & apart) continue;
            const bool upper = threadIdx.x & apart;
            unsigned &first = words[i], &second = words[i + apart];
            const unsigned other = from_lane(upper ? first : second, apart);
            first = upper ? other : first, second = upper ? second : other;
        }
}

__device__ __forceinline__ void write_run(number* out, int row, int column, int rows, int columns,
                                          const float2 (&numbers)[4]) {
    unsigned words[4];
    for (int i = 0; i < 2; ++i) {
        const float2 first = numbers[2 * i], second = numbers[2 * i + 1];
        words[i] = to_bf16s(first.x, second.x), words[2 + i] = to_bf16s(first.y, second.y);
    }
    transpose(words); /* each lane has 16 bytes in a row now, so that stores fill whole sectors */
    if (row >= rows || column >= columns) return;
    store_words(out + static_cast<long long>(row) * columns + column + threadIdx.x % 4 * 4, words);
}
#else
struct alignas(2 * sizeof(number)) Pair {
    number first, second;
};

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

__device__ __forceinline__ void write_run(number* out, int row, int column, int rows, int columns,
                                          const float2 (&numbers)[4]) {
    column += threadIdx.x % 4 * 2;
    write_pair(out, row, column, rows, columns, {numbers[0], numbers[1]});
    write_pair(out, row, column + 8, rows, columns, {numbers[2], numbers[3]});
}
#endif
