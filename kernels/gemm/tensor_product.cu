/* tensor_product: one complex matrix product per frequency, on tensor cores.
   Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
   Input     a    number  [Q][rows][depth], or [Q][depth][rows] with TRANSPOSE_A
             b    number  [Q][depth][columns], or [Q][columns][depth] with TRANSPOSE_B
   Output    out  number  [Q][rows][columns]
   Grid      (tiles of an out[q], ROWS x COLUMNS each, Q)     Block  a warp for each WARP x WARP of a tile
   Shared    a slab of each operand, as it is and in parts     Requires  sm_80 or newer, the constants ROWS, COLUMNS,
             WARP, BLOCKS (that share a multiprocessor), TRANSPOSE_A, TRANSPOSE_B, GROUPED_A and GROUPED_B (lines in
             memory have whole groups), and what parts.cuh asks for

   Operands go slab by slab, DEPTH of the contraction at a time: copied to shared memory while the slab before is
   multiplied, then split there (parts.cuh). Each slab's sums begin anew, with the small terms, and are then added as
   floats: tensor cores cut off where floats round. */
#include "epilogue.cuh"

constexpr int ALONG = COLUMNS / WARP, THREADS = 32 * (ROWS / WARP) * ALONG;
constexpr int BLOCK = 16; /* rows and columns that a warp reads at a time */

#include "warp_tile.cuh"

/* Begin to copy a slab of a matrix: from row or column `outer` of `outers`, and `depth` of `depths`. */
template <bool GROUPED, int OUTER, bool DEPTH_INSIDE>
__device__ __forceinline__ void fetch(const Slab<OUTER, DEPTH_INSIDE>& slab, const number* matrix, int outer, int outers,
                                      int depth, int depths) {
    const int line = DEPTH_INSIDE ? outer : depth, lines = DEPTH_INSIDE ? outers : depths;
    const int at = DEPTH_INSIDE ? depth : outer, length = DEPTH_INSIDE ? depths : outers;
    constexpr int SIZE = GROUPED ? GROUP : 1, BYTES = SIZE * sizeof(number) < 16 ? SIZE * sizeof(number) : 16;
#pragma unroll 4
    for (int i = SIZE * threadIdx.x; i < slab.NUMBERS; i += SIZE * THREADS) {
        const int row = line + i / slab.LENGTH, column = at + i % slab.LENGTH;
        const bool inside = row < lines && column < length;
        const number* from = inside ? matrix + static_cast<long long>(row) * length + column : matrix;
#pragma unroll
        for (int part = 0; part < SIZE; part += BYTES / sizeof(number))
            copy_ahead<BYTES>(slab.whole + i + part, from + part, inside);
    }
}

typedef Slab<ROWS, !TRANSPOSE_A> SlabA;
typedef Slab<COLUMNS, TRANSPOSE_B> SlabB;

constexpr int DOWN = WARP / BLOCK, ACROSS = WARP / 8; /* a warp's sums are of DOWN x ACROSS pieces of 16 x 8 */

/* Add the product of a slab, 16 rows after the other. */
__device__ __forceinline__ void multiply(float (&sums)[DOWN][ACROSS][2][4], const SlabA& a, const SlabB& b, int row,
                                         int column, float scale) {
#pragma unroll
    for (int i = 0; i < DOWN; ++i) {
        float of_slab[ACROSS][2][4] = {};
#pragma unroll
        for (int depth = 0; depth < DEPTH; depth += BLOCK) {
            unsigned left[PARTS][3][4], right[PARTS][2][ACROSS / 2][4]; /* left: re, im, -im */
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
#pragma unroll
                for (int imaginary = 0; imaginary < 2; ++imaginary) {
                    a.load(left[part][imaginary], part, imaginary, row + i * BLOCK, depth);
#pragma unroll
                    for (int j = 0; j < ACROSS / 2; ++j)
                        b.load(right[part][imaginary][j], part, imaginary, column + j * BLOCK, depth);
                }
#pragma unroll
                for (int k = 0; k < 4; ++k) left[part][2][k] = left[part][1][k] ^ 0x80008000;
            }
#pragma unroll
            for (int term = PARTS == 1 ? 2 : 0; term < 3; ++term) { /* low high, high low, high high */
                const int p = term == 0 ? PARTS - 1 : 0, q = term == 1 ? PARTS - 1 : 0;
#pragma unroll
                for (int imaginary = 0; imaginary < 2; ++imaginary) /* of a */
#pragma unroll
                    for (int j = 0; j < ACROSS; ++j) {
                        const unsigned(&re)[4] = right[q][imaginary][j / 2], (&im)[4] = right[q][1 - imaginary][j / 2];
                        multiply_add<BF16>(of_slab[j][0], left[p][2 * imaginary], re[j % 2], re[2 + j % 2]);
                        multiply_add<BF16>(of_slab[j][1], left[p][imaginary], im[j % 2], im[2 + j % 2]);
                    }
            }
        }
#pragma unroll
        for (int j = 0; j < ACROSS; ++j)
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                sums[i][j][0][k] += scale * of_slab[j][0][k];
                sums[i][j][1][k] += scale * of_slab[j][1][k];
            }
    }
}

__device__ __forceinline__ void write(number* out, const float (&sums)[DOWN][ACROSS][2][4], int row, int column, int rows,
                                      int columns) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < DOWN; ++i)
#pragma unroll
        for (int j = 0; j < ACROSS; ++j)
#pragma unroll
            for (int k = 0; k < 4; k += 2) {
                const float(&re)[4] = sums[i][j][0], (&im)[4] = sums[i][j][1];
                write_pair(out, row + i * BLOCK + lane / 4 + 4 * k, column + 8 * j + lane % 4 * 2, rows, columns,
                           {re[k], im[k]}, {re[k + 1], im[k + 1]});
            }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
tensor_product(const number* __restrict__ a, const number* __restrict__ b, number* __restrict__ out, int rows, int columns,
               int depths) {
    SHARED(float4, memory);
    number* shared = reinterpret_cast<number*>(memory);
    const SlabA slab_a = {shared, reinterpret_cast<unsigned short*>(shared + SlabA::NUMBERS + SlabB::NUMBERS)};
    const SlabB slab_b = {shared + SlabA::NUMBERS, slab_a.parts + SlabA::HALVES};
    unsigned* largest = reinterpret_cast<unsigned*>(slab_b.parts + SlabB::HALVES); /* [2][a, b], by turns */

    const int tiles_down = (rows + ROWS - 1) / ROWS, warp = threadIdx.x / 32;
    const int row = blockIdx.x % tiles_down * ROWS, column = blockIdx.x / tiles_down * COLUMNS;
    const int warp_row = warp / ALONG * WARP, warp_column = warp % ALONG * WARP;
    const long long q = blockIdx.y;
    a += q * rows * depths, b += q * depths * columns, out += q * rows * columns;

    float sums[DOWN][ACROSS][2][4] = {};
    if (threadIdx.x < 4) largest[threadIdx.x] = 0;
    fetch<GROUPED_A>(slab_a, a, row, rows, 0, depths);
    fetch<GROUPED_B>(slab_b, b, column, columns, 0, depths);
    end_group();
    for (int depth = 0, turn = 0; depth < depths; depth += DEPTH, turn ^= 2) {
        const float scale = split_both(slab_a, slab_b, largest + turn, largest + (turn ^ 2));
        if (depth + DEPTH < depths) {
            fetch<GROUPED_A>(slab_a, a, row, rows, depth + DEPTH, depths);
            fetch<GROUPED_B>(slab_b, b, column, columns, depth + DEPTH, depths);
            end_group();
        }
        multiply(sums, slab_a, slab_b, warp_row, warp_column, scale);
    }
    write(out, sums, row + warp_row, column + warp_column, rows, columns);
}
