/* implicit_gemm: a pass of a direct convolution as one matrix product, on tensor cores.
   Computes  out[m, n] = sum_k A[m, k] B[k, n] (im2col.cuh)
   Input     image   float  [samples][maps][height][width]
             matrix  float  as in im2col.cuh
             bias    float  [N], or null
   Output    out     float  as in im2col.cuh
   Grid      (tiles of out, TILE_M x TILE_N each, parts)     Block  a warp for each WARP_TILE x WARP_TILE of a tile
   Shared    a K-tile of each operand, as copied and as split terms; four numbers, and taps
   Requires  sm_80 or newer, the constants of warp_tile.cuh and im2col.cuh

   K-tiles are copied, split and multiplied as in tensor_product.cu. Threads of a warp take neighbouring positions,
   whose pixels are contiguous, and each keeps its position for a whole K-tile.
   Source    Chetlur et al.: cuDNN: Efficient primitives for deep learning, 2014, section 3 */
#include "warp_tile.cuh"
#include "im2col.cuh"

typedef WarpTile<TILE_M, WGRAD> TileA; /* a line for each tap, positions in a line */
typedef WarpTile<TILE_N, true> TileB;

/* A block's tile of out, and its part of the contraction. */
struct BlockTile {
    int m, n, k_start, k_end;
};

/* Write the taps of A's K-tile at k. */
DEVICE void write_taps(Tap* taps, const ConvProblem& problem, const BlockTile& block, int k) {
    if (threadIdx.x < TileA::LINES) taps[threadIdx.x] = tap_at(problem, (WGRAD ? block.m : k) + threadIdx.x);
}

/* Start to copy A's K-tile at k, given its taps. */
DEVICE void fetch_image(number* tile, const Tap* taps, const number* image, const ConvProblem& problem,
                        const BlockTile& block, int k) {
    constexpr int LENGTH = TileA::LENGTH, STEP = THREADS / LENGTH;
    const int index = (WGRAD ? k : block.m) + threadIdx.x % LENGTH, end = WGRAD ? block.k_end : problem.positions();
    const int ones_line = problem.ones_row() - block.m;
    const Position position = position_at(problem, index);
    number* to = tile + threadIdx.x;
#pragma unroll 4
    for (int line = threadIdx.x / LENGTH; line < TileA::LINES; line += STEP, to += STEP * LENGTH) {
        const number* from = index < end ? pixel_at(image, problem, position, taps[line]) : nullptr;
        if (WGRAD && line == ones_line)
            *to = index < end ? 1 : 0;
        else
            cp_async<sizeof(number)>(to, from ? from : image, from);
    }
}

/* Start to copy B's K-tile at k. */
DEVICE void fetch_matrix(number* tile, const number* matrix, const ConvProblem& problem, const BlockTile& block,
                         int k) {
    k += threadIdx.x % TILE_K;
    number* to = tile + threadIdx.x;
#pragma unroll 4
    for (int n = block.n + threadIdx.x / TILE_K; n < block.n + TILE_N; n += THREADS / TILE_K, to += THREADS) {
        const bool inside = k < block.k_end && n < problem.N;
        cp_async<sizeof(number)>(to, inside ? matrix + problem.matrix_offset(k, n) : matrix, inside);
    }
}

DEVICE void store(number* out, const number* bias, const Accumulators& sums, const ConvProblem& problem, int first_m,
                  int first_n) {
    const int lane = threadIdx.x % 32, M = problem.M();
#pragma unroll
    for (int i = 0; i < FRAGMENTS_M; ++i)
#pragma unroll
        for (int j = 0; j < PIECES_N; ++j)
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                const int m = first_m + 16 * i + lane / 4 + r / 2 * 8, n = first_n + 8 * j + lane % 4 * 2 + r % 2;
                if (m < M && n < problem.N)
                    out[problem.out_offset(blockIdx.y, m, n)] = sums[i][j][0][r] + (bias ? bias[n] : 0);
            }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM)
implicit_gemm(const number* __restrict__ image, const number* __restrict__ matrix, const number* __restrict__ bias,
              number* __restrict__ out, const ConvProblem problem) {
    SHARED(float4, memory);
    number* shared = reinterpret_cast<number*>(memory);
    const TileA tile_a = {shared, reinterpret_cast<unsigned short*>(shared + TileA::NUMBERS + TileB::NUMBERS)};
    const TileB tile_b = {shared + TileA::NUMBERS, tile_a.terms + TileA::TERMS};
    unsigned* max_bits = reinterpret_cast<unsigned*>(tile_b.terms + TileB::TERMS); /* [2 buffers][a, b] */
    Tap* taps = reinterpret_cast<Tap*>(max_bits + 4);                              /* of the next K-tile */

    const int tiles_m = (problem.M() + TILE_M - 1) / TILE_M, warp = threadIdx.x / 32;
    const int warp_m = warp / WARPS_N * WARP_TILE, warp_n = warp % WARPS_N * WARP_TILE;
    const int start = blockIdx.y * problem.k_per_part;
    const int end = problem.K() < start + problem.k_per_part ? problem.K() : start + problem.k_per_part;
    const BlockTile block = {static_cast<int>(blockIdx.x) % tiles_m * TILE_M,
                             static_cast<int>(blockIdx.x) / tiles_m * TILE_N, start, end};

    Accumulators sums = {};
    if (threadIdx.x < 4) max_bits[threadIdx.x] = 0;
    write_taps(taps, problem, block, start);
    __syncthreads();
    fetch_image(tile_a.raw, taps, image, problem, block, start);
    fetch_matrix(tile_b.raw, matrix, problem, block, start);
    cp_async_commit();
    for (int k = start, buffer = 0; k < end; k += TILE_K, buffer ^= 2) {
        __syncthreads(); /* all threads have used the taps */
        write_taps(taps, problem, block, k + TILE_K);
        const float scale = split_both(tile_a, tile_b, max_bits + buffer, max_bits + (buffer ^ 2));
        if (k + TILE_K < end) {
            fetch_image(tile_a.raw, taps, image, problem, block, k + TILE_K);
            fetch_matrix(tile_b.raw, matrix, problem, block, k + TILE_K);
            cp_async_commit();
        }
        multiply(sums, tile_a, tile_b, warp_m, warp_n, scale);
    }
    store(out, bias, sums, problem, block.m + warp_m, block.n + warp_n);
}
