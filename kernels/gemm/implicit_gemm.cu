/* implicit_gemm: a pass of a convolution, directly, as one matrix product on tensor cores.
   Computes  out[m, n] = sum_d A[m, d] B[d, n] (unrolled.cuh)
   Input     image   float  [samples][maps][height][width]
             matrix  float  as unrolled.cuh says
             bias    float  [columns], or none
   Output    out     float  positions or taps as rows, as unrolled.cuh says
   Grid      (tiles of out, ROWS x COLUMNS each, parts)     Block  a warp for each WARP x WARP of a tile
   Shared    a slab of each operand, as it is and in parts     Requires  sm_80 or newer, the constants ROWS, COLUMNS, WARP,
             BLOCKS (that share a multiprocessor), and what parts.cuh and unrolled.cuh ask for

   Operands go slab by slab, as in tensor_product.cu. Threads of a warp take neighbouring positions, whose pixels lie side
   by side, and each keeps its position for a whole slab.
   Source    Chetlur et al.: cuDNN: Efficient primitives for deep learning, 2014, section 3 (unrolled on the way) */
constexpr int ALONG = COLUMNS / WARP, THREADS = 32 * (ROWS / WARP) * ALONG;

#include "warp_tile.cuh"
#include "im2col.cuh"

typedef Slab<ROWS, TAPS_ARE_ROWS> SlabA; /* a line for each tap, positions in a line */
typedef Slab<COLUMNS, true> SlabB;

/* What a block computes: a tile, summed over a part of the contraction. */
struct Tile {
    int row, column, start, end;
};

/* The taps of A's slab that begins at this place of the contraction. */
__device__ __forceinline__ void find_taps(Tap* taps, const Sizes& sizes, const Tile& tile, int depth) {
    if (threadIdx.x < SlabA::LINES) taps[threadIdx.x] = tap_at(sizes, (TAPS_ARE_ROWS ? tile.row : depth) + threadIdx.x);
}

/* Begin to copy A's slab, given its taps. */
__device__ __forceinline__ void fetch_image(number* slab, const Tap* taps, const number* image, const Sizes& sizes,
                                            const Tile& tile, int depth) {
    constexpr int LENGTH = SlabA::LENGTH, STEP = THREADS / LENGTH;
    const int index = (TAPS_ARE_ROWS ? depth : tile.row) + threadIdx.x % LENGTH;
    const int end = TAPS_ARE_ROWS ? tile.end : positions_of(sizes), ones = ones_of(sizes) - tile.row;
    const Position position = position_at(sizes, index);
    number* to = slab + threadIdx.x;
#pragma unroll 4
    for (int line = threadIdx.x / LENGTH; line < SlabA::LINES; line += STEP, to += STEP * LENGTH) {
        const number* from = index < end ? pixel_at(image, sizes, position, taps[line]) : nullptr;
        if (TAPS_ARE_ROWS && line == ones)
            *to = index < end ? 1 : 0;
        else
            copy_ahead<sizeof(number)>(to, from ? from : image, from);
    }
}

__device__ __forceinline__ void fetch_matrix(number* slab, const number* matrix, const Sizes& sizes, const Tile& tile,
                                             int depth) {
    const int d = depth + threadIdx.x % DEPTH;
    number* to = slab + threadIdx.x;
#pragma unroll 4
    for (int n = tile.column + threadIdx.x / DEPTH; n < tile.column + COLUMNS; n += THREADS / DEPTH, to += THREADS) {
        const bool inside = d < tile.end && n < sizes.columns;
        copy_ahead<sizeof(number)>(to, inside ? matrix + in_matrix(sizes, d, n) : matrix, inside);
    }
}

/* What a warp sums: pieces of 16 x 8. */
constexpr int DOWN = WARP / 16, ACROSS = WARP / 8;

/* Add the product of a slab, whose sums begin anew, small terms first. */
__device__ __forceinline__ void multiply(float (&sums)[DOWN][ACROSS][4], const SlabA& a, const SlabB& b, int row, int column,
                                         float scale) {
#pragma unroll
    for (int i = 0; i < DOWN; ++i) {
        float of_slab[ACROSS][4] = {};
#pragma unroll
        for (int depth = 0; depth < DEPTH; depth += 16) {
            unsigned left[PARTS][4], right[PARTS][ACROSS / 2][4];
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
                a.load(left[part], part, 0, row + 16 * i, depth);
#pragma unroll
                for (int j = 0; j < ACROSS / 2; ++j) b.load(right[part][j], part, 0, column + 16 * j, depth);
            }
#pragma unroll
            for (int term = PARTS == 1 ? 2 : 0; term < 3; ++term) { /* low high, high low, high high */
                const int p = term == 0 ? PARTS - 1 : 0, q = term == 1 ? PARTS - 1 : 0;
#pragma unroll
                for (int j = 0; j < ACROSS; ++j)
                    multiply_add<false>(of_slab[j], left[p], right[q][j / 2][j % 2], right[q][j / 2][2 + j % 2]);
            }
        }
#pragma unroll
        for (int j = 0; j < ACROSS; ++j)
#pragma unroll
            for (int k = 0; k < 4; ++k) sums[i][j][k] += scale * of_slab[j][k];
    }
}

__device__ __forceinline__ void write(number* out, const number* bias, const float (&sums)[DOWN][ACROSS][4],
                                      const Sizes& sizes, int row, int column) {
    const int lane = threadIdx.x % 32, rows = rows_of(sizes);
#pragma unroll
    for (int i = 0; i < DOWN; ++i)
#pragma unroll
        for (int j = 0; j < ACROSS; ++j)
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const int m = row + 16 * i + lane / 4 + k / 2 * 8, n = column + 8 * j + lane % 4 * 2 + k % 2;
                if (m < rows && n < sizes.columns)
                    out[in_out(sizes, blockIdx.y, m, n)] = sums[i][j][k] + (bias ? bias[n] : 0);
            }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
implicit_gemm(const number* __restrict__ image, const number* __restrict__ matrix, const number* __restrict__ bias,
              number* __restrict__ out, const Sizes sizes) {
    SHARED(float4, memory);
    number* shared = reinterpret_cast<number*>(memory);
    const SlabA slab_a = {shared, reinterpret_cast<unsigned short*>(shared + SlabA::NUMBERS + SlabB::NUMBERS)};
    const SlabB slab_b = {shared + SlabA::NUMBERS, slab_a.parts + SlabA::HALVES};
    unsigned* largest = reinterpret_cast<unsigned*>(slab_b.parts + SlabB::HALVES); /* [2][a, b], by turns */
    Tap* taps = reinterpret_cast<Tap*>(largest + 4);                               /* of the slab that comes next */

    const int tiles_down = (rows_of(sizes) + ROWS - 1) / ROWS, warp = threadIdx.x / 32;
    const int warp_row = warp / ALONG * WARP, warp_column = warp % ALONG * WARP, start = blockIdx.y * sizes.depth;
    const int end = depths_of(sizes) < start + sizes.depth ? depths_of(sizes) : start + sizes.depth;
    const Tile tile = {static_cast<int>(blockIdx.x) % tiles_down * ROWS, static_cast<int>(blockIdx.x) / tiles_down * COLUMNS,
                       start, end};

    float sums[DOWN][ACROSS][4] = {};
    if (threadIdx.x < 4) largest[threadIdx.x] = 0;
    find_taps(taps, sizes, tile, start);
    __syncthreads();
    fetch_image(slab_a.whole, taps, image, sizes, tile, start);
    fetch_matrix(slab_b.whole, matrix, sizes, tile, start);
    end_group();
    for (int depth = start, turn = 0; depth < end; depth += DEPTH, turn ^= 2) {
        __syncthreads(); /* all have used the taps */
        find_taps(taps, sizes, tile, depth + DEPTH);
        const float scale = split_both(slab_a, slab_b, largest + turn, largest + (turn ^ 2));
        if (depth + DEPTH < end) {
            fetch_image(slab_a.whole, taps, image, sizes, tile, depth + DEPTH);
            fetch_matrix(slab_b.whole, matrix, sizes, tile, depth + DEPTH);
            end_group();
        }
        multiply(sums, slab_a, slab_b, warp_row, warp_column, scale);
    }
    write(out, bias, sums, sizes, tile.row + warp_row, tile.column + warp_column);
}
