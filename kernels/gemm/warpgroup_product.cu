/* warpgroup_product: one complex matrix product per frequency, on the tensor cores of sm_90.
   Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
   Input     a    number  [Q][rows][depth], or [Q][depth][rows] with TRANSPOSE_A
             b    number  [Q][depth][columns], or [Q][columns][depth] with TRANSPOSE_B
             of bf16 tensor maps, whose boxes are slabs of their planes: [two bytes][line][run][part][q]
   Output    out  number  [Q][rows][columns]
   Grid      as many blocks as run at a time     Block  two warpgroups that multiply, one or two that fill the
             memory between
   Shared    sizeof(Shared)
   Requires  sm_90a, the constants ROWS, COLUMNS (of a tile), THREADS, STAGES, SHARED_BYTES, TRANSPOSE_A, TRANSPOSE_B, what
             parts.cuh asks for, and of floats AHEAD, GROUPED_A and GROUPED_B (lines in memory have whole groups)

   Filling warps hand slab after slab over, the multiplying ones hand back the memory. How floats are filled in and
   multiplied says split_slabs.cuh, bf16 copied_slabs.cuh. */
#include "epilogue.cuh"
#include "wgmma.cuh"
#include "pipeline.cuh"
#if BF16
#include "tma_tiles.cuh"
#define OPERAND const __grid_constant__ TensorMap
#else
#include "split_tiles.cuh"
#define OPERAND const number* __restrict__
#endif

struct Shared {
    alignas(512) char slabs[STAGES][SlabA::BYTES + SlabB::BYTES];
    Beside beside;
    unsigned long long full[STAGES], empty[STAGES];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "SHARED_BYTES");

__device__ __forceinline__ void multiply(Shared& shared, number* __restrict__ out, Work work) {
    Turn turn = {0, 0};
    for (; work.tile < work.tiles; work.tile += gridDim.x) {
        float sums[COLUMNS]; /* half of them real parts */
        multiply_tile(sums, shared, turn, work.slabs());
        write_tile(shared, out + work.q() * work.rows * work.columns, sums, work);
    }
    end_writing();
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
warpgroup_product(OPERAND a, OPERAND b, number* __restrict__ out, int rows, int columns, int depths, int count) {
    SHARED(float4, memory);
    Shared& shared = *reinterpret_cast<Shared*>(memory);
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; ++stage) {
            warpgroup::begin_barrier(&shared.full[stage], HANDS);
            warpgroup::begin_barrier(&shared.empty[stage], MULTIPLIERS / 32);
        }
        warpgroup::publish();
    }
    __syncthreads();
    Work work = {rows, columns, depths, (rows + ROWS - 1) / ROWS, (columns + COLUMNS - 1) / COLUMNS};
    work.tiles = count * work.down * work.across, work.tile = blockIdx.x;
    if (threadIdx.x >= MULTIPLIERS) {
        warpgroup::leave_registers<FEW>();
        fill(shared, a, b, work);
    } else {
        warpgroup::take_registers<MANY>();
        multiply(shared, out, work);
    }
}
