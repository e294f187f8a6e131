/* plain_gemm: the same products as implicit_gemm.cu, without tensor cores.
   Computes  out[m, n] = sum_k A[m, k] B[k, n] (im2col.cuh)
   Input     image, matrix, bias (or null)  number     Output  out  number
   Grid      (ceil(M N / THREADS), parts)     Block  THREADS, one for each number of out
   Shared    0     Requires  the constants THREADS and, for im2col.cuh, its constants */
#include "device.cuh"
#include "im2col.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
plain_gemm(const number* __restrict__ image, const number* __restrict__ matrix, const number* __restrict__ bias,
           number* __restrict__ out, const ConvProblem problem) {
    const int M = problem.M(), K = problem.K(), ones_row = problem.ones_row(), start = blockIdx.y * problem.k_per_part;
    const long long index = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    if (index >= static_cast<long long>(M) * problem.N) return;
    const int m = index % M, n = index / M;
    number sum = bias ? bias[n] : 0;
    for (int k = start; k < K && k < start + problem.k_per_part; ++k) {
        const int tap = WGRAD ? m : k;
        const number* pixel = pixel_at(image, problem, position_at(problem, WGRAD ? k : m), tap_at(problem, tap));
        if (WGRAD && tap == ones_row)
            sum += matrix[problem.matrix_offset(k, n)];
        else if (pixel)
            sum += *pixel * matrix[problem.matrix_offset(k, n)];
    }
    out[problem.out_offset(blockIdx.y, m, n)] = sum;
}
