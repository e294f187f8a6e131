/* add_parts: the gradients of a convolution's parameters from sums of parts of the minibatch (unrolled.cuh).
   Computes  weight[n, tap] += scale sum_part sums[part, n, tap], and bias[n] alike, with the last row, `ones`
   Input     sums    number  [parts][columns][ones + 1]
   Output    weight  number  [columns][taps]; bias  number  [columns], or none
   Grid      ceil(columns (ones + 1) / THREADS)     Block  THREADS
   Shared    none     Requires  the type number, the constant THREADS

   Parts are added in their order, so that the same values give the same bits. */
#include "device.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
add_parts(const number* __restrict__ sums, number* __restrict__ weight, number* __restrict__ bias, const number scale,
          int parts, int columns, int taps, int ones) {
    const long long size = static_cast<long long>(columns) * (ones + 1);
    const long long index = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    if (index >= size) return;
    number sum = 0;
    for (int part = 0; part < parts; ++part) sum += sums[part * size + index];
    const int n = index / (ones + 1), tap = index % (ones + 1);
    if (tap < taps)
        weight[static_cast<long long>(n) * taps + tap] += scale * sum;
    else if (bias && tap == ones)
        bias[n] += scale * sum;
}
