/* Numbers as tensor cores take them: of a float PARTS numbers of 11 bits, of bf16 the number itself.

   A float x becomes x s = high + low, where s is a power of two that brings the largest of its slab, some rows of an
   operand and DEPTH of the contraction, to 2^14: with two parts 22 bits are kept, of numbers down to 2^-16 of the
   largest, and what is left out is below 2^-38 of it. Then  high high + (high low + low high)  is the product.

   Numbers are read in groups of 16 bytes. Macros and types of every kernel here: BF16, PARTS, DEPTH, and `number`:
   float2, or with BF16 two bf16 in an unsigned, the real part in its lower half.
   Source  Ootomo, Yokota: Recovering single precision accuracy from Tensor Cores while surpassing the FP32 theoretical
           peak performance, 2022 */
#pragma once
#include "tensor.cuh"

constexpr int GROUP = 16 / sizeof(number);

struct alignas(16) Group {
    number of[GROUP];
};

/* The real or the imaginary parts of a group. */
struct alignas(2 * GROUP) Halves {
    unsigned of[GROUP / 2];
};

struct Split {
    Halves re[PARTS], im[PARTS];
};

__device__ __forceinline__ Halves negative(Halves x) {
    for (unsigned& both : x.of) both ^= 0x80008000;
    return x;
}

#if BF16
__device__ __forceinline__ float most(const Group&) { return 0; }

__device__ __forceinline__ Split split(const Group& z, float) {
    Split found;
    for (int i = 0; i < GROUP / 2; ++i) {
        const unsigned first = z.of[2 * i], second = z.of[2 * i + 1];
        found.re[0].of[i] = (first & 0xFFFF) | second << 16;
        found.im[0].of[i] = first >> 16 | (second & 0xFFFF0000);
    }
    return found;
}

__device__ __forceinline__ number to_number(float re, float im) { return to_bf16s(re, im); }
#else
/* The largest part of the group's numbers. */
__device__ __forceinline__ float most(const Group& z) {
    return fmaxf(fmaxf(fabsf(z.of[0].x), fabsf(z.of[0].y)), fmaxf(fabsf(z.of[1].x), fabsf(z.of[1].y)));
}

__device__ __forceinline__ void split(Halves (&parts)[PARTS], float first, float second) {
    const unsigned high = to_halves(first, second);
    parts[0].of[0] = high;
    if (PARTS == 1) return;
    const float2 known = from_halves(high);
    parts[PARTS - 1].of[0] = to_halves(first - known.x, second - known.y);
}

__device__ __forceinline__ Split split(const Group& z, float scale) {
    Split found;
    split(found.re, scale * z.of[0].x, scale * z.of[1].x);
    split(found.im, scale * z.of[0].y, scale * z.of[1].y);
    return found;
}

__device__ __forceinline__ number to_number(float re, float im) { return make_float2(re, im); }
#endif

/* The scale for a slab whose largest number has these bits, and its inverse; NaN if that is not finite. */
__device__ __forceinline__ float2 scale_for(unsigned largest) {
    if (BF16) return make_float2(1, 1);
    const int exponent = static_cast<int>(largest >> 23);
    if (exponent == 255) return make_float2(__uint_as_float(largest | 1), __uint_as_float(largest | 1));
    const int power = exponent < 15 ? 253 : 268 - exponent; /* with the bias of 127, as exponent has */
    return make_float2(__uint_as_float(power << 23), __uint_as_float((254 - power) << 23));
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
