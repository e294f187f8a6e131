/* What sm_90a alone has: products by four warps together, whose operands lie in shared memory, barriers in shared memory
   for who fills it and who reads it, and registers that warps give each other. A host that runs the kernels has
   definitions of its own. Requires  sm_90a

   An operand in shared memory consists of octets: 8 x 8 numbers of two bytes, 128 bytes in a row. A descriptor says how
   far apart octets lie along the contraction (`along`) and across it (`across`), in bytes, multiples of 16.

   Or it consists of rows of octets: eight lines of 32 numbers, 64 bytes in a row, begun at a multiple of 512 bytes. Of the
   four octets of line i, octet j lies where octet j ^ i / 2 would. Where lines go along the contraction, a product takes
   half of each, and `apart` says how far the next eight lines are. Where they go across it, `apart` is from one row of
   octets to the next of the same lines, and `along` from eight lines to the next ones.
   Source  PTX ISA, asynchronous warpgroup-level matrix instructions: shared memory layout (none and 64-byte swizzling) */
#pragma once

/* What a box of an array in global memory is, for copies of boxes (tinyfft/tensor_map.py); nobody but they may read it. */
struct alignas(64) TensorMap {
    unsigned long long opaque[16];
};

namespace warpgroup {

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ __forceinline__ unsigned long long descriptor(unsigned address, unsigned along, unsigned across) {
    return static_cast<unsigned long long>((address & 0x3FFFF) >> 4) |
           static_cast<unsigned long long>(along >> 4) << 16 | static_cast<unsigned long long>(across >> 4) << 32;
}

__device__ __forceinline__ unsigned long long descriptor_of_rows(unsigned address, bool lines_along, unsigned apart,
                                                                 unsigned along) {
    return descriptor(address, lines_along ? 16 : apart, lines_along ? apart : along) | 2ULL << 62;
}

#ifndef HOST_WARPGROUP

/* Barriers: a phase ends when `count` have arrived. */
__device__ __forceinline__ void begin_barrier(unsigned long long* barrier, int count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}

__device__ __forceinline__ void arrive(unsigned long long* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

/* Arrive, for a phase that does not end before so many bytes are copied in too. */
__device__ __forceinline__ void arrive_expecting(unsigned long long* barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                 : "memory");
}

/* Begin to copy the box at these five places, the one along numbers side by side first, to shared memory; its bytes count
   for the barrier's phase. What lies beyond the array is zero. */
__device__ __forceinline__ void copy_in(void* to, const TensorMap& from, int i, int j, int k, int l, int m,
                                        unsigned long long* barrier) {
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5, %6}], "
        "[%7];" ::"r"(shared_address(to)),
        "l"(&from), "r"(i), "r"(j), "r"(k), "r"(l), "r"(m), "r"(shared_address(barrier))
        : "memory");
}

__device__ __forceinline__ void wait(unsigned long long* barrier, int phase) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra finished;\n"
        "bra again;\n"
        "finished:\n"
        "}\n" ::"r"(shared_address(barrier)),
        "r"(phase)
        : "memory");
}

/* What this thread has written to shared memory, or waited for, can be read by products from now on. */
__device__ __forceinline__ void publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* Begin to copy bytes of shared memory, a multiple of 16, which are published, to global memory. */
__device__ __forceinline__ void copy_out(void* to, const void* from, int bytes) {
    asm volatile(
        "cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;\n"
        "cp.async.bulk.commit_group;" ::"l"(to),
        "r"(shared_address(from)), "r"(bytes)
        : "memory");
}

/* Wait until all that this thread copies out has been read. */
__device__ __forceinline__ void wait_for_copies_out() {
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

template <int REGISTERS>
__device__ __forceinline__ void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS>
__device__ __forceinline__ void leave_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

/* Products are queued between `begin` and `end_group`. */
__device__ __forceinline__ void begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void end_group() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/* Wait until no more than the last LATER groups are under way. */
template <int LATER>
__device__ __forceinline__ void wait_for_groups() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LATER) : "memory");
}

#define EIGHT(i)                                                                                                       \
    "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]), "+f"(sums[i + 5]),      \
        "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define MULTIPLY_128(TYPE)                                                                                             \
    asm volatile(                                                                                                      \
        "{\n.reg .pred more;\nsetp.ne.b32 more, %66, 0;\n"                                                             \
        "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {"                                              \
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                       \
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                             \
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                             \
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "                            \
        "%64, %65, more, %69, 1, %67, %68;\n}\n"                                                                       \
        : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56)                         \
        : "l"(a), "l"(b), "r"(static_cast<int>(more)), "n"(TURNED_A), "n"(TURNED_B), "n"(NEGATIVE ? -1 : 1))

/* sums = a b^T, or sums += a b^T if there are `more` before, NEGATIVE -a b^T: 64 x 16 by 2 N x 16 numbers. Lane l of warp
   w holds, of each eight columns, four: columns 2 (l % 4) and the next one of row 16 w + l / 4, then of the eighth row
   below. TURNED: the eight numbers side by side lie across the contraction. */
template <bool OF_BF16, bool TURNED_A, bool TURNED_B, bool NEGATIVE = false>
__device__ __forceinline__ void multiply(float (&sums)[64], unsigned long long a, unsigned long long b, bool more) {
    if (OF_BF16)
        MULTIPLY_128("bf16");
    else
        MULTIPLY_128("f16");
}

template <bool OF_BF16, bool TURNED_A, bool TURNED_B>
__device__ __forceinline__ void multiply(float (&sums)[128], unsigned long long a, unsigned long long b, bool more) {
    static_assert(!OF_BF16, "bf16 has two products of half the columns");
    asm volatile(
        "{\n.reg .pred more;\nsetp.ne.b32 more, %130, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, more, 1, 1, %131, %132;\n}\n"
        : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56),
          EIGHT(64), EIGHT(72), EIGHT(80), EIGHT(88), EIGHT(96), EIGHT(104), EIGHT(112), EIGHT(120)
        : "l"(a), "l"(b), "r"(static_cast<int>(more)), "n"(TURNED_A), "n"(TURNED_B));
}
#undef EIGHT
#undef MULTIPLY_128
#endif

}  // namespace warpgroup
