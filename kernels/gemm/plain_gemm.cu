/* plain_gemm: implicit_gemm.cu's work for numbers that no tensor core takes.
   Computes  out[m, n] = sum_d A[m, d] B[d, n] (unrolled.cuh)
   Input     image, matrix, bias (or none) number     Output  out  number
   Grid      (ceil(rows columns / THREADS), parts)     Block  THREADS, one for each number of out
   Shared    none     Requires  the constant THREADS, and what unrolled.cuh asks for */
#include "device.cuh"
#include "im2col.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
plain_gemm(const number* __restrict__ image, const number* __restrict__ matrix, const number* __restrict__ bias,
           number* __restrict__ out, const Sizes sizes) {
    const int rows = rows_of(sizes), depths = depths_of(sizes), ones = ones_of(sizes), start = blockIdx.y * sizes.depth;
    const long long index = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    if (index >= static_cast<long long>(rows) * sizes.columns) return;
    const int m = index % rows, n = index / rows;
    number sum = bias ? bias[n] : 0;
    for (int d = start; d < depths && d < start + sizes.depth; ++d) {
        const int tap = TAPS_ARE_ROWS ? m : d;
        const number* pixel = pixel_at(image, sizes, position_at(sizes, TAPS_ARE_ROWS ? d : m), tap_at(sizes, tap));
        if (TAPS_ARE_ROWS && tap == ones)
            sum += matrix[in_matrix(sizes, d, n)];
        else if (pixel)
            sum += *pixel * matrix[in_matrix(sizes, d, n)];
    }
    out[in_out(sizes, blockIdx.y, m, n)] = sum;
}
