/* tensor_product: one complex matrix product per frequency, on tensor cores.
   Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
   Input     a    number  [Q][M][K], or [Q][K][M] with TRANSPOSE_A
             b    number  [Q][K][N], or [Q][N][K] with TRANSPOSE_B
   Output    out  number  [Q][M][N]
   Grid      (tiles of an out[q], TILE_M x TILE_N each, Q)     Block  a warp for each WARP_TILE x WARP_TILE of a tile
   Shared    a K-tile of each operand, as copied and as split terms; four numbers
   Requires  sm_80 or newer, the constants TRANSPOSE_A, TRANSPOSE_B, ALIGNED_A and ALIGNED_B (lines in memory are whole
             accesses), and the constants of warp_tile.cuh

   While one K-tile is multiplied, the next one is copied to shared memory, where it is then split. */
#include "epilogue.cuh"

#include "warp_tile.cuh"

/* Start to copy the K-tile at (mn, k) of a matrix of mn_size x k_size numbers. */
template <bool ALIGNED, int MN, bool K_MAJOR>
DEVICE void fetch(const WarpTile<MN, K_MAJOR>& tile, const number* matrix, int mn, int mn_size, int k, int k_size) {
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

DEVICE void store(number* out, const Accumulators& sums, int m, int n, int M, int N) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < FRAGMENTS_M; ++i)
#pragma unroll
        for (int j = 0; j < PIECES_N; ++j)
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
