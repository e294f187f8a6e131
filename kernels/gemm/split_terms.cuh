/* Split each float into SPLIT_TERMS fp16 numbers, as tensor cores multiply them; bf16 numbers are used as they are.

   A float x becomes x s = high + low. The power of two s brings the largest number of a K-tile, some rows of an
   operand by TILE_K of the contraction, to 2^14. Two terms keep 22 bits of numbers down to 2^-16 of the largest; the
   error is below 2^-38 of the largest. The product is high high + (high low + low high).

   Operands are read in accesses of 16 bytes, with BF16 of one block (bf16_blocks.cuh). Constants and types of every
   kernel here: BF16, REAL, SPLIT_TERMS, TILE_K, and `number`: float2, with BF16 unsigned, with REAL float.
   Source  Ootomo, Yokota: Recovering single precision accuracy from Tensor Cores while surpassing the FP32 theoretical
           peak performance, 2022 */
#pragma once
#include "bf16_blocks.cuh"
#include "mma.cuh"

constexpr int COMPONENTS = REAL ? 1 : 2; /* real part, imaginary part */
constexpr int PER_ACCESS = BF16 ? BF16_BLOCK : 16 / sizeof(number);

/* One component of an access: 16-bit numbers, two in a register. */
struct alignas(PER_ACCESS < 8 ? 2 * PER_ACCESS : 16) Packed {
    unsigned of[PER_ACCESS / 2];
};

struct alignas(16) Access {
#if BF16
    Packed of[2];
#else
    number of[PER_ACCESS];
#endif
};

struct Split {
    Packed of[COMPONENTS][SPLIT_TERMS];
};

#if BF16
DEVICE float max_abs(const Access&) { return 0; }

DEVICE Split split(const Access& z, float) {
    return {{{z.of[0]}, {z.of[1]}}};
}
#else
/* |x|, or 0 if x is not finite: infinities and NaN do not enter the scale, and show in their own rows and columns. */
DEVICE float finite_abs(float x) { return fabsf(x) <= 3.4028235e38f ? fabsf(x) : 0; }

DEVICE float max_abs(const Access& z) {
    const float(&x)[4] = *reinterpret_cast<const float(*)[4]>(&z);
    return fmaxf(fmaxf(finite_abs(x[0]), finite_abs(x[1])), fmaxf(finite_abs(x[2]), finite_abs(x[3])));
}

/* Write the terms of two numbers of a component. */
DEVICE void split(Packed (&terms)[SPLIT_TERMS], int pair, float first, float second) {
    const unsigned high = to_f16x2(first, second);
    terms[0].of[pair] = high;
    if (SPLIT_TERMS == 1) return;
    const float2 rounded = from_f16x2(high);
    terms[SPLIT_TERMS - 1].of[pair] = to_f16x2(first - rounded.x, second - rounded.y);
}

DEVICE Split split(const Access& z, float scale) {
    const float(&x)[4] = *reinterpret_cast<const float(*)[4]>(&z);
    Split result;
    for (int i = 0; i < 2; ++i) /* two pairs of reals, or two components of two complex numbers */
        if (REAL)
            split(result.of[0], i, scale * x[2 * i], scale * x[2 * i + 1]);
        else
            split(result.of[REAL ? 0 : i], 0, scale * x[i], scale * x[i + 2]);
    return result;
}
#endif

/* The scale for a K-tile whose largest number has these bits, and its inverse. */
DEVICE float2 scale_for(unsigned max_bits) {
    if (BF16) return make_float2(1, 1);
    const int exponent = static_cast<int>(max_bits >> 23);
    const int power = exponent < 15 ? 253 : 268 - exponent; /* both have a bias of 127 */
    return make_float2(__uint_as_float(power << 23), __uint_as_float((254 - power) << 23));
}

/* The scale of successive K-tiles that share accumulators, which must be rescaled whenever it changes. It falls for a
   larger number. It rises where all numbers are so small that they would lose bits, but to no more than MAX_RISE times
   its lowest value so far: the accumulators must not overflow. */
struct RunningScale {
    static constexpr float RISE_THRESHOLD = 256, MAX_RISE = 1 << 30;
    float value, inverse, lowest;

    /* Move to the next K-tile, given the bits of its largest number; with `restart` to its own scale. Returns the new
       scale divided by the old one. */
    DEVICE float next(unsigned max_bits, bool restart) {
        const float2 own = scale_for(max_bits);
        const float old_inverse = inverse;
        if (restart || own.x < value) {
            value = own.x, inverse = own.y;
            lowest = restart ? value : fminf(lowest, value);
        } else if (max_bits && own.x > RISE_THRESHOLD * value) {
            value = fminf(own.x, MAX_RISE * lowest), inverse = 1 / value;
        }
        return value * old_inverse;
    }
};
