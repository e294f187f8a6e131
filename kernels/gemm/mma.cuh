/* Tensor cores and what feeds them: 16-bit numbers two to a register, products of small blocks by a warp, and copies to
   shared memory that threads do not wait for. A host that runs the kernels has definitions of its own.
   Requires  sm_80 or newer

   A block of 16 x 16 numbers lies in a warp's registers as four squares of 8 x 8: register 0 is the square of the first
   eight rows and columns, 1 that of the next rows, 2 that of the next columns, 3 the last one; lane l holds row l / 4,
   columns 2 (l % 4) and the next one. */
#pragma once
#include "device.cuh"
#ifndef HOST_TENSOR

/* Two numbers, rounded to the nearest: `first` in the lower half. */
__device__ __forceinline__ unsigned to_halves(float first, float second) {
    unsigned both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

__device__ __forceinline__ float2 from_halves(unsigned both) {
    float2 z;
    asm("{\n.reg .b16 first, second;\nmov.b32 {first, second}, %2;\ncvt.f32.f16 %0, first;\ncvt.f32.f16 %1, second;\n}"
        : "=f"(z.x), "=f"(z.y)
        : "r"(both));
    return z;
}

/* The most that a lane of the warp has. */
__device__ __forceinline__ unsigned most_of_warp(unsigned value) { return __reduce_max_sync(0xFFFFFFFF, value); }

/* target = max(target, the values of a warp's lanes). */
__device__ __forceinline__ void keep_most_of_warp(unsigned* target, unsigned value) {
    const unsigned most = most_of_warp(value);
    if (threadIdx.x % 32 == 0) atomicMax(target, most);
}

/* The block whose first number is at `corner`, rows `pitch` numbers apart; with TURNED its columns are. */
template <bool TURNED>
__device__ __forceinline__ void load_block(unsigned (&block)[4], const unsigned short* corner, int pitch) {
    const int lane = threadIdx.x % 32, row = lane % 8 + (TURNED ? lane / 16 : lane / 8 % 2) * 8;
    const int column = (TURNED ? lane / 8 % 2 : lane / 16) * 8;
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(corner + row * pitch + column));
    if (TURNED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(block[0]), "=r"(block[1]), "=r"(block[2]), "=r"(block[3])
                     : "r"(address));
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(block[0]), "=r"(block[1]), "=r"(block[2]), "=r"(block[3])
                     : "r"(address));
}

/* sums += a b^T, 16 x 8, of a block a and eight rows of another, those of its registers b0 and b1; a lane has columns
   2 (l % 4) and the next one of rows l / 4 and, in sums[2] and sums[3], l / 4 + 8. */
template <bool OF_BF16>
__device__ __forceinline__ void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    if (OF_BF16)
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Begin to copy BYTES (4, 8 or 16) to shared memory, zeros if they are not `wanted`. */
template <int BYTES>
__device__ __forceinline__ void copy_ahead(void* to, const void* from, bool wanted) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(wanted ? 16 : 0)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(address), "l"(from),
                     "r"(wanted ? BYTES : 0), "n"(BYTES)
                     : "memory");
}

/* The copies that this thread has begun since the last call are a group. */
__device__ __forceinline__ void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Wait until of this thread's groups no more than the last LATER ones are on their way. */
template <int LATER>
__device__ __forceinline__ void wait_for_groups() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LATER) : "memory");
}
#endif
