/* tensor_product: one complex matrix product per frequency, on tensor cores.
   Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
   Input     a    number  [Q][M][K], or [Q][K][M] with TRANSPOSE_A
             b    number  [Q][K][N], or [Q][N][K] with TRANSPOSE_B
   Output    out  number  [Q][M][N]
   Grid      (tiles of an out[q], TILE_M x TILE_N each, Q)     Block  a warp for each WARP_TILE x WARP_TILE of a tile
   Shared    a K-tile of each operand, as copied and as split terms; four numbers
   Requires  sm_80 or newer, the constants TILE_M, TILE_N, WARP_TILE, BLOCKS_PER_SM, TRANSPOSE_A, TRANSPOSE_B,
             ALIGNED_A and ALIGNED_B (lines in memory are whole accesses), and those of split_terms.cuh

   While one K-tile is multiplied, the next one is copied to shared memory, where it is then split (split_terms.cuh).
   The accumulators restart at each K-tile, with the small terms, and are then added as floats: tensor cores truncate
   where float additions round. */
#include "epilogue.cuh"

constexpr int WARPS_N = TILE_N / WARP_TILE, THREADS = 32 * (TILE_M / WARP_TILE) * WARPS_N;
constexpr int FRAGMENT = 16; /* rows and columns that a warp loads at a time */

#include "warp_tile.cuh"

/* Start to copy the K-tile at (mn, k) of a matrix of mn_size x k_size numbers. */
template <bool ALIGNED, int MN, bool K_MAJOR>
__device__ __forceinline__ void fetch(const WarpTile<MN, K_MAJOR>& tile, const number* matrix, int mn, int mn_size,
                                      int k, int k_size) {
    const int first_line = K_MAJOR ? mn : k, lines = K_MAJOR ? mn_size : k_size;
    const int first_column = K_MAJOR ? k : mn, length = K_MAJOR ? k_size : mn_size;
    constexpr int SIZE = ALIGNED ? PER_ACCESS : 1, BYTES = SIZE * sizeof(number) < 16 ? SIZE * sizeof(number) : 16;
#pragma unroll 4
    for (int i = SIZE * threadIdx.x; i < tile.NUMBERS; i += SIZE * THREADS) {
        const int line = first_line + i / tile.LENGTH, column = first_column + i % tile.LENGTH;
        const bool inside = line < lines && column < length;
        const number* from = inside ? matrix + static_cast<long long>(line) * length + column : matrix;
#pragma unroll
        for (int j = 0; j < SIZE; j += BYTES / sizeof(number)) cp_async<BYTES>(tile.raw + i + j, from + j, inside);
    }
}

typedef WarpTile<TILE_M, !TRANSPOSE_A> TileA;
typedef WarpTile<TILE_N, TRANSPOSE_B> TileB;

/* A warp's accumulators are FRAGMENTS_M x FRAGMENTS_N pieces of 16 x 8, real and imaginary. */
constexpr int FRAGMENTS_M = WARP_TILE / FRAGMENT, FRAGMENTS_N = WARP_TILE / 8;
typedef float Accumulators[FRAGMENTS_M][FRAGMENTS_N][2][4];

/* Add the product of two K-tiles, 16 rows at a time. */
__device__ __forceinline__ void multiply(Accumulators& sums, const TileA& a, const TileB& b, int m, int n,
                                         float scale) {
#pragma unroll
    for (int i = 0; i < FRAGMENTS_M; ++i) {
        float acc[FRAGMENTS_N][2][4] = {};
#pragma unroll
        for (int k = 0; k < TILE_K; k += FRAGMENT) {
            unsigned left[SPLIT_TERMS][3][4], right[SPLIT_TERMS][2][FRAGMENTS_N / 2][4]; /* left: re, im, -im */
#pragma unroll
            for (int term = 0; term < SPLIT_TERMS; ++term) {
#pragma unroll
                for (int component = 0; component < 2; ++component) {
                    a.load(left[term][component], term, component, m + i * FRAGMENT, k);
#pragma unroll
                    for (int j = 0; j < FRAGMENTS_N / 2; ++j)
                        b.load(right[term][component][j], term, component, n + j * FRAGMENT, k);
                }
#pragma unroll
                for (int r = 0; r < 4; ++r) left[term][2][r] = left[term][1][r] ^ 0x80008000;
            }
#pragma unroll
            for (int step = SPLIT_TERMS == 1 ? 2 : 0; step < 3; ++step) { /* low high, high low, high high */
                const int p = step == 0 ? SPLIT_TERMS - 1 : 0, q = step == 1 ? SPLIT_TERMS - 1 : 0;
#pragma unroll
                for (int component = 0; component < 2; ++component) /* of a */
#pragma unroll
                    for (int j = 0; j < FRAGMENTS_N; ++j) {
                        const unsigned(&re)[4] = right[q][component][j / 2], (&im)[4] = right[q][1 - component][j / 2];
                        mma_m16n8k16<BF16>(acc[j][0], left[p][2 * component], re[j % 2], re[2 + j % 2]);
                        mma_m16n8k16<BF16>(acc[j][1], left[p][component], im[j % 2], im[2 + j % 2]);
                    }
            }
        }
#pragma unroll
        for (int j = 0; j < FRAGMENTS_N; ++j)
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                sums[i][j][0][r] += scale * acc[j][0][r];
                sums[i][j][1][r] += scale * acc[j][1][r];
            }
    }
}

__device__ __forceinline__ void store(number* out, const Accumulators& sums, int m, int n, int M, int N) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < FRAGMENTS_M; ++i)
#pragma unroll
        for (int j = 0; j < FRAGMENTS_N; ++j)
#pragma unroll
            for (int r = 0; r < 4; r += 2) {
                const float(&re)[4] = sums[i][j][0], (&im)[4] = sums[i][j][1];
                store_pair(out, m + i * FRAGMENT + lane / 4 + 4 * r, n + 8 * j + lane % 4 * 2, M, N, {re[r], im[r]},
                           {re[r + 1], im[r + 1]});
            }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM)
tensor_product(const number* __restrict__ a, const number* __restrict__ b, number* __restrict__ out, int M, int N,
               int K) {
    SHARED(float4, memory);
    number* shared = reinterpret_cast<number*>(memory);
    const TileA tile_a = {shared, reinterpret_cast<unsigned short*>(shared + TileA::NUMBERS + TileB::NUMBERS)};
    const TileB tile_b = {shared + TileA::NUMBERS, tile_a.terms + TileA::TERMS};
    unsigned* max_bits = reinterpret_cast<unsigned*>(tile_b.terms + TileB::TERMS); /* [2 buffers][a, b] */

    const int tiles_m = (M + TILE_M - 1) / TILE_M, warp = threadIdx.x / 32;
    const int m = blockIdx.x % tiles_m * TILE_M, n = blockIdx.x / tiles_m * TILE_N;
    const int warp_m = warp / WARPS_N * WARP_TILE, warp_n = warp % WARPS_N * WARP_TILE;
    const long long q = blockIdx.y;
    a += q * M * K, b += q * K * N, out += q * M * N;

    Accumulators sums = {};
    if (threadIdx.x < 4) max_bits[threadIdx.x] = 0;
    fetch<ALIGNED_A>(tile_a, a, m, M, 0, K);
    fetch<ALIGNED_B>(tile_b, b, n, N, 0, K);
    cp_async_commit();
    for (int k = 0, buffer = 0; k < K; k += TILE_K, buffer ^= 2) {
        const float scale = split_both(tile_a, tile_b, max_bits + buffer, max_bits + (buffer ^ 2));
        if (k + TILE_K < K) {
            fetch<ALIGNED_A>(tile_a, a, m, M, k + TILE_K, K);
            fetch<ALIGNED_B>(tile_b, b, n, N, k + TILE_K, K);
            cp_async_commit();
        }
        multiply(sums, tile_a, tile_b, warp_m, warp_n, scale);
    }
    store(out, sums, m + warp_m, n + warp_n, M, N);
}
