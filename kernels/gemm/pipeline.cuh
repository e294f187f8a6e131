/* The producer / consumer pipeline of warpgroup_product.cu, for both kinds of K-tiles: the roles of threads, the tiles
   of a block, and the state of the stages.
   Requires  the constants of warpgroup_product.cu */
#pragma once

constexpr int CONSUMER_THREADS = 256, PRODUCER_THREADS = THREADS - CONSUMER_THREADS;
constexpr int PRODUCER_WARPS = PRODUCER_THREADS / 32, WARPGROUP_THREADS = 128;
constexpr int TILE_N_CORES = TILE_N / 8; /* core matrices across a tile */

/* The rows of a tile that each consumer warpgroup computes, and the first row of a consumer thread; its other row is
   the eighth below. */
DEVICE int warpgroup_row() { return threadIdx.x / WARPGROUP_THREADS * (TILE_M / 2); }
DEVICE int thread_row() { return threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4; }

/* The current tile of this block. */
struct TileScheduler {
    int M, N, K, tiles_m, tiles_n, tiles, tile;

    DEVICE bool valid() const { return tile < tiles; }
    DEVICE bool next() { return (tile += gridDim.x) < tiles; }
    DEVICE int left() const { return valid() ? (tiles - tile + gridDim.x - 1) / gridDim.x : 0; }
    DEVICE int k_tiles() const { return (K + TILE_K - 1) / TILE_K; }
    DEVICE int m() const { return tile % tiles_m * TILE_M; }
    DEVICE int n() const { return tile / tiles_m % tiles_n * TILE_N; }
    DEVICE long long q() const { return tile / tiles_m / tiles_n; }
};

/* The next stage, and the phase of its barriers. */
struct PipelineState {
    int stage, phase;

    DEVICE void next() {
        if (++stage == STAGES) stage = 0, phase ^= 1;
    }

    DEVICE int previous() const { return stage ? stage - 1 : STAGES - 1; }
};

/* Let the producers fill a stage again, after all lanes of this warp have used it. */
template <typename Shared>
DEVICE void consumer_release(Shared& shared, int stage) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) mbarrier_arrive(&shared.empty[stage]);
}
