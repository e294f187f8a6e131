/* What both ways to fill shared memory with slabs share: which threads do it, which tiles are a block's, and whose turn it
   is. Requires  the constants of warpgroup_product.cu */
#pragma once

constexpr int OF_GROUP = 128, MULTIPLIERS = 2 * OF_GROUP, FILLERS = THREADS - MULTIPLIERS, SHARES = FILLERS / 32;
constexpr int OCTETS = COLUMNS / 8; /* of columns of a tile */

/* Of a tile's rows the first one that a multiplying thread has sums of; the other one is eight rows below. */
__device__ __forceinline__ int first_row() { return threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4; }

/* The tiles of this block, one after the other. */
struct Work {
    int rows, columns, depths, down, across, tiles, tile;

    __device__ __forceinline__ int slabs() const { return (depths + DEPTH - 1) / DEPTH; }
    __device__ __forceinline__ int left() const { return tile < tiles ? (tiles - tile + gridDim.x - 1) / gridDim.x : 0; }
    __device__ __forceinline__ int row() const { return tile % down * ROWS; }
    __device__ __forceinline__ int column() const { return tile / down % across * COLUMNS; }
    __device__ __forceinline__ long long q() const { return tile / down / across; }
};

/* Which of the stages is next, and which phase of its barriers. */
struct Turn {
    int stage, phase;

    __device__ __forceinline__ void next() {
        if (++stage == STAGES) stage = 0, phase ^= 1;
    }

    __device__ __forceinline__ int before() const { return stage ? stage - 1 : STAGES - 1; }
};

/* Let the next one fill a stage, once all lanes of this warp are done with it. */
template <typename Shared>
__device__ __forceinline__ void leave(Shared& shared, int stage) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) warpgroup::arrive(&shared.empty[stage]);
}
