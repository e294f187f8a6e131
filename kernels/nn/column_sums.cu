/* column_sums: the sums of a matrix's columns, added to what is there.
   Computes  out[c] += scale sum_r re matrix[r][c]
   Input     matrix  number  [rows][pitch]: real or complex, or runs of bf16 (runs.cuh)
   Output    out     real    [columns]
   Grid      ceil(columns / COLUMNS) blocks     Block  COLUMNS * ROWS: every ROWS-th row of a column each
   Shared    COLUMNS * ROWS doubles             Requires  types number and real, constants COLUMNS and ROWS

   The order of the sums follows from the sizes alone, so that the same values give the same bits. */
#include "bf16_blocks.cuh"

__device__ __forceinline__ double real_part(const float* x, long long i) { return x[i]; }
__device__ __forceinline__ double real_part(const double* x, long long i) { return x[i]; }
__device__ __forceinline__ double real_part(const float2* x, long long i) { return x[i].x; }
__device__ __forceinline__ double real_part(const double2* x, long long i) { return x[i].x; }
__device__ __forceinline__ double real_part(const unsigned* x, long long i) {
    const float2 both = from_bf16x2(x[word_offset(i / 2 * 2)]);
    return i % 2 ? both.y : both.x;
}

extern "C" __global__ void __launch_bounds__(COLUMNS * ROWS)
column_sums(const number* __restrict__ matrix, real* __restrict__ out, const real scale, int rows, int columns,
            int pitch) {
    SHARED(double, sums);
    const int lane = threadIdx.x % COLUMNS, first = threadIdx.x / COLUMNS, column = blockIdx.x * COLUMNS + lane;
    double sum = 0;
    if (column < columns) {
#pragma unroll 4
        for (int row = first; row < rows; row += ROWS) sum += real_part(matrix, static_cast<long long>(row) * pitch + column);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (first || column >= columns) return;
    for (int row = 1; row < ROWS; ++row) sum += sums[row * COLUMNS + lane];
    out[column] += scale * static_cast<real>(sum);
}
