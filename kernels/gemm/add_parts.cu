/* add_parts: add the sums that a split contraction left to the gradients of a convolution's parameters (im2col.cuh).
   Computes  weight[n, tap] += scale sum_part sums[part, n, tap], and bias[n] += scale sum_part sums[part, n, ones_row]
   Input     sums    number  [parts][N][ones_row + 1]
   Output    weight  number  [N][taps];  bias  number  [N], or null
   Grid      ceil(N (ones_row + 1) / THREADS)     Block  THREADS
   Shared    0     Requires  the type number, the constant THREADS

   Parts are added in their order: the same values give the same bits. */
#include "device.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
add_parts(const number* __restrict__ sums, number* __restrict__ weight, number* __restrict__ bias, const number scale,
          int parts, int N, int taps, int ones_row) {
    const long long size = static_cast<long long>(N) * (ones_row + 1);
    const long long index = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    if (index >= size) return;
    number sum = 0;
    for (int part = 0; part < parts; ++part) sum += sums[part * size + index];
    const int n = index / (ones_row + 1), tap = index % (ones_row + 1);
    if (tap < taps)
        weight[static_cast<long long>(n) * taps + tap] += scale * sum;
    else if (bias && tap == ones_row)
        bias[n] += scale * sum;
}
