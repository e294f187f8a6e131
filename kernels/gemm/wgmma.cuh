/* Instructions of sm_90a: products by a warpgroup of operands in shared memory (PTX: wgmma), mbarriers, bulk copies
   (TMA), and register reallocation. A host that runs the kernels defines its own versions.
   Requires  sm_90a

   An operand in shared memory consists of core matrices: 8 x 8 numbers of 16 bits, 128 contiguous bytes. Without
   swizzling its descriptor has the distance in bytes of neighbouring core matrices along the contraction (leading)
   and across it (stride), multiples of 16.

   With 64-byte swizzling an operand consists of atoms: eight lines of 64 bytes, aligned to 512 bytes. Chunk j of 16
   bytes of line i is stored as chunk j ^ i / 2. If lines lie along the contraction (K-major), a product takes half of
   each line, stride is the distance of the next eight lines, and leading is unused. If lines lie across it (MN-major),
   leading is the distance of the next atom along the lines, and stride the distance of the next eight lines.
   Source  PTX ISA, asynchronous warpgroup-level matrix instructions: shared memory layout */
#pragma once

/* The descriptor of a bulk tensor copy (tinyfft/cuda/tensor_map.py). Only copies read it. */
struct alignas(64) TensorMap {
    unsigned long long opaque[16];
};

DEVICE unsigned shared_address(const void* pointer) { return static_cast<unsigned>(__cvta_generic_to_shared(pointer)); }

DEVICE unsigned long long matrix_descriptor(unsigned address, unsigned leading, unsigned stride) {
    return static_cast<unsigned long long>((address & 0x3FFFF) >> 4) |
           static_cast<unsigned long long>(leading >> 4) << 16 | static_cast<unsigned long long>(stride >> 4) << 32;
}

DEVICE unsigned long long swizzled_descriptor(unsigned address, unsigned leading, unsigned stride) {
    return matrix_descriptor(address, leading, stride) | 2ULL << 62;
}

#ifndef HOST_WGMMA

/* A phase of the barrier completes after `count` arrivals. */
DEVICE void mbarrier_init(unsigned long long* barrier, int count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}

DEVICE void mbarrier_arrive(unsigned long long* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

/* Arrive; the phase does not complete before `bytes` bytes are copied, too. */
DEVICE void mbarrier_arrive_expect_tx(unsigned long long* barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                 : "memory");
}

DEVICE void mbarrier_wait(unsigned long long* barrier, int phase) {
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

/* Start to copy the box at these coordinates, the contiguous axis first, to shared memory, zeros beyond the array. The
   bytes count for the barrier's phase. */
DEVICE void cp_async_bulk_tensor(void* to, const TensorMap& from, int i, int j, int k, int l, int m,
                                 unsigned long long* barrier) {
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
        "[%1, {%2, %3, %4, %5, %6}], [%7];" ::"r"(shared_address(to)),
        "l"(&from), "r"(i), "r"(j), "r"(k), "r"(l), "r"(m), "r"(shared_address(barrier))
        : "memory");
}

/* Make this thread's writes to shared memory visible to wgmma and to bulk copies. */
DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* Start to copy bytes, a multiple of 16, from shared to global memory. */
DEVICE void cp_async_bulk(void* to, const void* from, int bytes) {
    asm volatile(
        "cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;\n"
        "cp.async.bulk.commit_group;" ::"l"(to),
        "r"(shared_address(from)), "r"(bytes)
        : "memory");
}

/* Wait until this thread's bulk copies have read shared memory. */
DEVICE void cp_async_bulk_wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

template <int REGISTERS>
DEVICE void setmaxnreg_inc() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS)); }

template <int REGISTERS>
DEVICE void setmaxnreg_dec() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS)); }

/* Products are queued between a fence and a commit. */
DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/* Wait until at most PENDING committed groups are in flight. */
template <int PENDING>
DEVICE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory"); }

#define EIGHT(i)                                                                                                       \
    "+f"(acc[i]), "+f"(acc[i + 1]), "+f"(acc[i + 2]), "+f"(acc[i + 3]), "+f"(acc[i + 4]), "+f"(acc[i + 5]),            \
        "+f"(acc[i + 6]), "+f"(acc[i + 7])
#define WGMMA_M64N128K16(TYPE)                                                                                         \
    asm volatile(                                                                                                      \
        "{\n.reg .pred accumulate;\nsetp.ne.b32 accumulate, %66, 0;\n"                                                 \
        "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {"                                              \
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                       \
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                             \
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                             \
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "                            \
        "%64, %65, accumulate, %69, 1, %67, %68;\n}\n"                                                                 \
        : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56)                         \
        : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(MN_MAJOR_A), "n"(MN_MAJOR_B), "n"(NEGATE_A ? -1 : 1))

/* acc = a b^T, with `accumulate` acc += a b^T; NEGATE_A: with -a. a is 64 x 16, b is n x 16, n twice the size of acc.
   Lane l of warp w holds four numbers of each eight columns: columns 2 (l % 4) and the next one of row 16 w + l / 4,
   then of the eighth row below. */
template <bool BF16_OPERANDS, bool MN_MAJOR_A, bool MN_MAJOR_B, bool NEGATE_A = false>
DEVICE void wgmma(float (&acc)[64], unsigned long long a, unsigned long long b, bool accumulate) {
    if (BF16_OPERANDS)
        WGMMA_M64N128K16("bf16");
    else
        WGMMA_M64N128K16("f16");
}

template <bool BF16_OPERANDS, bool MN_MAJOR_A, bool MN_MAJOR_B>
DEVICE void wgmma(float (&acc)[128], unsigned long long a, unsigned long long b, bool accumulate) {
    static_assert(!BF16_OPERANDS, "bf16 products have 64 accumulators");
    asm volatile(
        "{\n.reg .pred accumulate;\nsetp.ne.b32 accumulate, %130, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, accumulate, 1, 1, %131, %132;\n}\n"
        : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56),
          EIGHT(64), EIGHT(72), EIGHT(80), EIGHT(88), EIGHT(96), EIGHT(104), EIGHT(112), EIGHT(120)
        : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(MN_MAJOR_A), "n"(MN_MAJOR_B));
}
#undef EIGHT
#undef WGMMA_M64N128K16
#endif
