/* Tensor-core instructions of one warp and the copies that feed them (PTX: mma, ldmatrix, cp.async). A host that runs
   the kernels defines its own versions.
   Requires  sm_80 or newer

   A fragment is 16 x 16 numbers of 16 bits in a warp's registers, four 8 x 8 matrices: register 0 holds rows 0-7 and
   columns 0-7, 1 the rows below, 2 the columns to the right, 3 the rest. Lane l holds row l / 4, columns 2 (l % 4) and
   the next one. */
#pragma once
#include "device.cuh"
#ifndef HOST_MMA

/* Two floats as fp16, rounded to the nearest: `first` in the lower half. */
DEVICE unsigned to_f16x2(float first, float second) {
    unsigned both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

DEVICE float2 from_f16x2(unsigned both) {
    float2 z;
    asm("{\n.reg .b16 first, second;\nmov.b32 {first, second}, %2;\ncvt.f32.f16 %0, first;\ncvt.f32.f16 %1, second;\n}"
        : "=f"(z.x), "=f"(z.y)
        : "r"(both));
    return z;
}

/* The largest value of the warp's lanes. */
DEVICE unsigned warp_max(unsigned value) { return __reduce_max_sync(0xFFFFFFFF, value); }

/* target = max(target, the values of the warp's lanes). */
DEVICE void atomic_warp_max(unsigned* target, unsigned value) {
    const unsigned largest = warp_max(value);
    if (threadIdx.x % 32 == 0) atomicMax(target, largest);
}

/* Load the fragment that begins at `corner`; its rows are `pitch` numbers apart, with TRANSPOSED its columns. */
template <bool TRANSPOSED>
DEVICE void ldmatrix_x4(unsigned (&fragment)[4], const unsigned short* corner, int pitch) {
    const int lane = threadIdx.x % 32, row = lane % 8 + (TRANSPOSED ? lane / 16 : lane / 8 % 2) * 8;
    const int column = (TRANSPOSED ? lane / 8 % 2 : lane / 16) * 8;
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(corner + row * pitch + column));
    if (TRANSPOSED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                     : "r"(address));
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                     : "r"(address));
}

/* acc += a b^T, 16 x 8: b0 and b1 are the registers of eight rows of b's fragment. A lane has columns 2 (l % 4) and the
   next one, of row l / 4 in acc[0] and acc[1], of row l / 4 + 8 in acc[2] and acc[3]. */
template <bool BF16_OPERANDS>
DEVICE void mma_m16n8k16(float (&acc)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    if (BF16_OPERANDS)
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Start to copy BYTES (4, 8 or 16) to shared memory, zeros if not `valid`. */
template <int BYTES>
DEVICE void cp_async(void* to, const void* from, bool valid) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(valid ? 16 : 0)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(address), "l"(from),
                     "r"(valid ? BYTES : 0), "n"(BYTES)
                     : "memory");
}

DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Wait until at most PENDING of this thread's committed groups are in flight. */
template <int PENDING>
DEVICE void cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory"); }
#endif
