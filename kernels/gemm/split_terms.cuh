/* Numbers as tensor cores take them: of a float PARTS numbers of 11 bits, of bf16 the number itself.

   A float x becomes x s = high + low, where s is a power of two that brings the largest of its slab, some rows of an
   operand and DEPTH of the contraction, to 2^14: with two parts 22 bits are kept, of numbers down to 2^-16 of the
   largest, and what is left out is below 2^-38 of it. Then  high high + (high low + low high)  is the product.

   Numbers are read in groups: of 16 bytes, with BF16 a run (runs.cuh). Macros and types of every kernel here: BF16, REAL,
   PARTS, DEPTH, and `number`: float2; with BF16 the unsigned of runs; with REAL float, which is one plane and not two.
   Source  Ootomo, Yokota: Recovering single precision accuracy from Tensor Cores while surpassing the FP32 theoretical
           peak performance, 2022 */
#pragma once
#include "bf16_blocks.cuh"
#include "mma.cuh"

constexpr int GROUP = BF16 ? BF16_BLOCK : 16 / sizeof(number);

/* One plane of a group: its numbers, or their real or imaginary parts. */
struct alignas(GROUP < 8 ? 2 * GROUP : 16) Halves {
    unsigned of[GROUP / 2];
};

struct alignas(16) Group {
#if BF16
    Halves of[2];
#else
    number of[GROUP];
#endif
};

constexpr int PLANES = REAL ? 1 : 2;

struct Split {
    Halves of[PLANES][PARTS];
};

#if BF16
__device__ __forceinline__ float most(const Group&) { return 0; }

__device__ __forceinline__ Split split(const Group& z, float) {
    return {{{z.of[0]}, {z.of[1]}}};
}
#else
/* The size of a number; 0 if it is not finite. */
__device__ __forceinline__ float finite(float x) { return fabsf(x) <= 3.4028235e38f ? fabsf(x) : 0; }

/* The largest part of the group's numbers, of those that are finite: the others show in their own rows and columns. */
__device__ __forceinline__ float most(const Group& z) {
    const float(&parts)[4] = *reinterpret_cast<const float(*)[4]>(&z);
    return fmaxf(fmaxf(finite(parts[0]), finite(parts[1])), fmaxf(finite(parts[2]), finite(parts[3])));
}

/* Two numbers of a plane, in parts. */
__device__ __forceinline__ void split(Halves (&parts)[PARTS], int pair, float first, float second) {
    const unsigned high = to_halves(first, second);
    parts[0].of[pair] = high;
    if (PARTS == 1) return;
    const float2 known = from_halves(high);
    parts[PARTS - 1].of[pair] = to_halves(first - known.x, second - known.y);
}

__device__ __forceinline__ Split split(const Group& z, float scale) {
    const float(&parts)[4] = *reinterpret_cast<const float(*)[4]>(&z);
    Split found;
    for (int i = 0; i < 2; ++i) /* of two pairs, or of both planes */
        if (REAL)
            split(found.of[0], i, scale * parts[2 * i], scale * parts[2 * i + 1]);
        else
            split(found.of[REAL ? 0 : i], 0, scale * parts[i], scale * parts[i + 2]);
    return found;
}
#endif

/* The scale for a slab whose largest number has these bits, and its inverse. */
__device__ __forceinline__ float2 scale_for(unsigned largest) {
    if (BF16) return make_float2(1, 1);
    const int exponent = static_cast<int>(largest >> 23);
    const int power = exponent < 15 ? 253 : 268 - exponent; /* with the bias of 127, as exponent has */
    return make_float2(__uint_as_float(power << 23), __uint_as_float((254 - power) << 23));
}

/* The scale of slab after slab whose sums stay where they are, and have to follow it. It falls for a larger number. It rises
   where all are so small that they would lose digits, but never to more than MOST times the least one: sums must not
   overflow. */
struct Scale {
    static constexpr float SMALL = 256, MOST = 1 << 30;
    float now, inverse, least;

    /* For the next slab, whose largest number has these bits; returns what the scale was multiplied by. The first one's is
       its own. */
    __device__ __forceinline__ float next(unsigned largest, bool first) {
        const float2 own = scale_for(largest);
        const float before = inverse;
        if (first || own.x < now) {
            now = own.x, inverse = own.y;
            least = first ? now : fminf(least, now);
        } else if (largest && own.x > SMALL * now) {
            now = fminf(own.x, MOST * least), inverse = 1 / now;
        }
        return now * before;
    }
};
