/* warpgroup_product: one complex matrix product per frequency, on the tensor cores of sm_90.
   Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
   Input     a    number  [Q][M][K], or [Q][K][M] with TRANSPOSE_A
             b    number  [Q][K][N], or [Q][N][K] with TRANSPOSE_B
             with BF16 tensor maps whose boxes are K-tiles: [bf16][line][block][component][q]
   Output    out  number  [Q][M][N]
   Grid      as many blocks as run at a time     Block  two consumer warpgroups, and one or two producer warpgroups
   Shared    sizeof(Shared)
   Requires  sm_90a, the constants TILE_M, TILE_N, THREADS, STAGES, SHARED_BYTES, TRANSPOSE_A, TRANSPOSE_B, the
             constants of split_terms.cuh, and for floats PREFETCH, ALIGNED_A and ALIGNED_B (lines in memory are whole
             accesses)

   Warp-specialised: producers fill the stages with K-tiles, consumers multiply them and release the stages.
   split_tiles.cuh does this for floats, tma_tiles.cuh for bf16. */
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
    alignas(512) char tiles[STAGES][TileA::BYTES + TileB::BYTES];
    Staging staging;
    unsigned long long full[STAGES], empty[STAGES];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "SHARED_BYTES");

DEVICE void consume(Shared& shared, number* __restrict__ out, TileScheduler scheduler) {
    PipelineState state = {0, 0};
    for (; scheduler.valid(); scheduler.next()) {
        float acc[TILE_N]; /* first half: real parts */
        multiply_tile(acc, shared, state, scheduler.k_tiles());
        store_tile(shared, out + scheduler.q() * scheduler.M * scheduler.N, acc, scheduler);
    }
    wait_for_stores();
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
warpgroup_product(OPERAND a, OPERAND b, number* __restrict__ out, int M, int N, int K, int Q) {
    SHARED(float4, memory);
    Shared& shared = *reinterpret_cast<Shared*>(memory);
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; ++stage) {
            mbarrier_init(&shared.full[stage], PRODUCER_ARRIVALS);
            mbarrier_init(&shared.empty[stage], CONSUMER_THREADS / 32);
        }
        fence_proxy_async();
    }
    __syncthreads();
    TileScheduler scheduler = {M, N, K, (M + TILE_M - 1) / TILE_M, (N + TILE_N - 1) / TILE_N};
    scheduler.tiles = Q * scheduler.tiles_m * scheduler.tiles_n, scheduler.tile = blockIdx.x;
    if (threadIdx.x >= CONSUMER_THREADS) {
        setmaxnreg_dec<PRODUCER_REGISTERS>();
        produce(shared, a, b, scheduler);
    } else {
        setmaxnreg_inc<CONSUMER_REGISTERS>();
        consume(shared, out, scheduler);
    }
}
