/* Instructions that CUDA C++ has no word for, in one place: a host that runs the kernels has definitions of its own.
   Requires  sm_80 or newer */
#pragma once
#ifndef SHARED /* shared memory whose size the launch gives; begun where a row of octets (warpgroup.cuh) may be */
#define SHARED(type, name) extern __shared__ __align__(512) type name[]

/* Two numbers of two bytes, rounded to the nearest: `first` in the lower half. */
__device__ __forceinline__ unsigned to_bf16s(float first, float second) {
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

__device__ __forceinline__ float2 from_bf16s(unsigned both) {
    return make_float2(__uint_as_float(both << 16), __uint_as_float(both & 0xFFFF0000));
}

/* The value that the lane beside has, lane 1 that of lane 0 and so on; all lanes of a warp ask for it together. */
__device__ __forceinline__ unsigned from_neighbour(unsigned value) { return __shfl_xor_sync(0xFFFFFFFF, value, 1); }

/* Four bytes: the hexadecimal digits of `chosen` name them, the highest one first, 0 to 3 of first, 4 to 7 of second. */
__device__ __forceinline__ unsigned bytes_of(unsigned first, unsigned second, unsigned chosen) {
    return __byte_perm(first, second, chosen);
}

/* max(x, 0), but NaN stays NaN. */
__device__ __forceinline__ float relu(float x) {
    float y;
    asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ double relu(double x) { return x < 0 ? 0 : x; }

/* x factor + offset, rounded after each operation: a compiler may not make one of the two. */
__device__ __forceinline__ float multiply_then_add(float x, float factor, float offset) {
    return __fadd_rn(__fmul_rn(x, factor), offset);
}

__device__ __forceinline__ double multiply_then_add(double x, double factor, double offset) {
    return __dadd_rn(__dmul_rn(x, factor), offset);
}
#endif
