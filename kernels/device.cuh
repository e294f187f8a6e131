/* Instructions that CUDA C++ has no word for, in one place: a host that runs the kernels has definitions of its own.
   Requires  sm_80 or newer */
#pragma once
#ifndef SHARED /* shared memory whose size the launch gives */
#define SHARED(type, name) extern __shared__ type name[]

__device__ __forceinline__ unsigned short to_bf16(float x) {
    unsigned short rounded;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(x));
    return rounded;
}

__device__ __forceinline__ float from_bf16(unsigned short x) { return __uint_as_float(static_cast<unsigned>(x) << 16); }

/* x factor + offset, rounded after each operation: a compiler may not make one of the two. */
__device__ __forceinline__ float multiply_then_add(float x, float factor, float offset) {
    return __fadd_rn(__fmul_rn(x, factor), offset);
}

__device__ __forceinline__ double multiply_then_add(double x, double factor, double offset) {
    return __dadd_rn(__dmul_rn(x, factor), offset);
}
#endif
