/* column_sums: add the sums of a matrix's columns to out.
   Computes  out[c] += scale sum_r re matrix[r][c]
   Input     matrix  number  [rows][pitch]: real, complex, or complex in bf16 blocks (bf16_blocks.cuh)
   Output    out     real    [columns]
   Grid      ceil(columns / BLOCK_X)     Block  BLOCK_X * BLOCK_Y, each with every BLOCK_Y-th row of a column
   Shared    BLOCK_X * BLOCK_Y doubles   Requires  types number and real, constants BLOCK_X and BLOCK_Y

   The order of additions depends only on the sizes: the same values give the same bits. */
#include "bf16_blocks.cuh"

DEVICE double real_part(const float* x, long long i) { return x[i]; }
DEVICE double real_part(const double* x, long long i) { return x[i]; }
DEVICE double real_part(const float2* x, long long i) { return x[i].x; }
DEVICE double real_part(const double2* x, long long i) { return x[i].x; }
DEVICE double real_part(const unsigned* x, long long i) {
    const float2 both = from_bf16x2(x[word_offset(i / 2 * 2)]);
    return i % 2 ? both.y : both.x;
}

extern "C" __global__ void __launch_bounds__(BLOCK_X * BLOCK_Y)
column_sums(const number* __restrict__ matrix, real* __restrict__ out, const real scale, int rows, int columns,
            int pitch) {
    SHARED(double, sums);
    const int lane = threadIdx.x % BLOCK_X, first = threadIdx.x / BLOCK_X, column = blockIdx.x * BLOCK_X + lane;
    double sum = 0;
    if (column < columns) {
#pragma unroll 4
        for (int row = first; row < rows; row += BLOCK_Y)
            sum += real_part(matrix, static_cast<long long>(row) * pitch + column);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (first || column >= columns) return;
    for (int row = 1; row < BLOCK_Y; ++row) sum += sums[row * BLOCK_X + lane];
    out[column] += scale * static_cast<real>(sum);
}
