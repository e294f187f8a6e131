/* column_sums: the sums of a matrix's columns, added to what is there.
   Computes  out[c] += scale sum_r re matrix[r][c]
   Input     matrix  number  [rows][columns]: real or complex, or two bf16 in an unsigned
   Output    out     real    [columns]
   Grid      ceil(columns / COLUMNS) blocks     Block  COLUMNS * ROWS: every ROWS-th row of a column each
   Shared    COLUMNS * ROWS doubles             Requires  types number and real, constants COLUMNS and ROWS

   The order of the sums follows from the sizes alone, so that the same values give the same bits. */
#include "device.cuh"

__device__ __forceinline__ double value(float x) { return x; }
__device__ __forceinline__ double value(double x) { return x; }
__device__ __forceinline__ double value(float2 x) { return x.x; }
__device__ __forceinline__ double value(double2 x) { return x.x; }
__device__ __forceinline__ double value(unsigned x) { return from_bf16s(x).x; }

extern "C" __global__ void __launch_bounds__(COLUMNS * ROWS)
column_sums(const number* __restrict__ matrix, real* __restrict__ out, const real scale, int rows, int columns) {
    SHARED(double, sums);
    const int lane = threadIdx.x % COLUMNS, first = threadIdx.x / COLUMNS, column = blockIdx.x * COLUMNS + lane;
    double sum = 0;
    if (column < columns) {
#pragma unroll 4
        for (int row = first; row < rows; row += ROWS) sum += value(matrix[static_cast<long long>(row) * columns + column]);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (first || column >= columns) return;
    for (int row = 1; row < ROWS; ++row) sum += sums[row * COLUMNS + lane];
    out[column] += scale * static_cast<real>(sum);
}
