/* Store a complex product's accumulators. */
#pragma once
#include "split_terms.cuh"

#if BF16
/* Store neighbours (m, n) and (m, n + 1) of an M x N matrix: one word of two real parts, one of two imaginary parts. */
DEVICE void store_pair(number* out, int m, int n, int M, int N, float2 first, float2 second) {
    if (m >= M || n >= N) return;
    number* to = out + static_cast<long long>(m) * N + word_offset(n);
    to[0] = to_bf16x2(first.x, second.x), to[BF16_BLOCK / 2] = to_bf16x2(first.y, second.y);
}
#else
struct alignas(2 * sizeof(number)) Pair {
    number first, second;
};

/* Store neighbours (m, n) and (m, n + 1) of an M x N matrix, the second one if n + 1 < N. */
DEVICE void store_pair(number* out, int m, int n, int M, int N, float2 first, float2 second) {
    if (m >= M || n >= N) return;
    number* to = out + static_cast<long long>(m) * N + n;
    if (N % 2 == 0) {
        *reinterpret_cast<Pair*>(to) = {first, second};
    } else {
        to[0] = first;
        if (n + 1 < N) to[1] = second;
    }
}
#endif
