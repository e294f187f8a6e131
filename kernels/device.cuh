/* Instructions without a CUDA C++ operator, and small functions that every family needs. A host that runs the kernels
   defines DEVICE and its own versions of all of them (tests/host_gpu.h); code that a host compiles too goes elsewhere.
   Requires  sm_80 or newer */
#pragma once
#ifndef DEVICE
#define DEVICE __device__ __forceinline__
/* Dynamic shared memory, aligned as swizzled tiles need it (gemm/wgmma.cuh). */
#define SHARED(type, name) extern __shared__ __align__(512) type name[]

/* Two floats as bf16, rounded to the nearest: `first` in the lower half. */
DEVICE unsigned to_bf16x2(float first, float second) {
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

DEVICE float2 from_bf16x2(unsigned both) {
    return make_float2(__uint_as_float(both << 16), __uint_as_float(both & 0xFFFF0000));
}

/* The value of the neighbouring lane, lane ^ 1. All lanes of the warp must call it. */
DEVICE unsigned shfl_xor_1(unsigned value) { return __shfl_xor_sync(0xFFFFFFFF, value, 1); }

/* Each hexadecimal digit of `selector`, the highest first, picks a byte: 0 to 3 from first, 4 to 7 from second. */
DEVICE unsigned byte_perm(unsigned first, unsigned second, unsigned selector) {
    return __byte_perm(first, second, selector);
}

/* max(x, 0), but NaN stays NaN. */
DEVICE float relu(float x) {
    float y;
    asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE double relu(double x) { return x < 0 ? 0 : x; }

/* x factor + offset, rounded after each operation: the compiler must not fuse the two. */
DEVICE float multiply_then_add(float x, float factor, float offset) { return __fadd_rn(__fmul_rn(x, factor), offset); }

DEVICE double multiply_then_add(double x, double factor, double offset) {
    return __dadd_rn(__dmul_rn(x, factor), offset);
}
#endif
