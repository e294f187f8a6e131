/* max_pool: the maximum of each window of a plane, and its gradient.
   Computes  output[p][i][j] = max of input[p] over the window of (i, j): rows i sH - pH to i sH - pH + kH - 1 and
             columns likewise, clipped to the plane; NaN if one of the values is NaN
             gradInput[p][h][w] = sum of gradOutput[p][i][j] over the windows whose first maximum, by rows, is at
             (h, w); a window whose maximum is NaN passes no gradient. With FUSED_RELU, input is the output of a ReLU
             before the pooling, and gradInput the gradient of ReLU's input: zero where input is zero
   Input     input      real  [planes][H][W]
             gradOutput real  [planes][oH][oW];  output  real  [planes][oH][oW], as max_pool wrote it
   Output    output     real  [planes][oH][oW]; gradInput real [planes][H][W]
   Grid      ceil(count / THREADS) blocks     Block  THREADS, each with one of `count` written values
   Shared    0                                Requires  types real, real2 and index_t (which holds count + THREADS),
             constants THREADS, FUSED_RELU, H, W, kH, kW, sH, sW, pH, pW, oH, oW; padding at most half the window, so
             that each window has a pixel

   max_pool_gradient_disjoint: the same gradient where windows neither overlap nor extend beyond the plane (kH <= sH,
   kW <= sW, no padding). Each thread has one of `count` cells, ceil(H / sH) ceil(W / sW) a plane: sH x sW pixels from
   the window's first pixel on, each read once. */
#include "device.cuh"

DEVICE bool inside(index_t row, index_t column) {
    return (pH == 0 || (0 <= row && row < H)) && (pW == 0 || (0 <= column && column < W));
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool(const real* __restrict__ input, real* __restrict__ output, const long long count) {
    const index_t item = index_t(blockIdx.x) * THREADS + index_t(threadIdx.x);
    if (item >= count) return;
    const real* plane = input + item / (oH * oW) * (H * W);
    const index_t top = item / oW % oH * sH - pH, left = item % oW * sW - pW;
    real largest = plane[(pH > 0 && top < 0 ? 0 : top) * W + (pW > 0 && left < 0 ? 0 : left)];
    for (index_t place = 0; place < kH * kW; ++place) {
        const index_t row = top + place / kW, column = left + place % kW;
        if (!inside(row, column)) continue;
        const real x = plane[row * W + column];
        if (x > largest || x != x) largest = x;  // nothing is larger than NaN: it stays
    }
    output[item] = largest;
}

/* Whether none of the window's values before index `own`, by rows, equals the maximum. It reads the others too: without
   early exit the loads overlap. */
DEVICE bool is_first(const real* plane, index_t top, index_t left, index_t own, real largest) {
    bool first = true;
    for (index_t place = 0; place < kH * kW - 1; ++place) {
        const index_t row = top + place / kW, column = left + place % kW;
        if (inside(row, column)) first &= (plane[row * W + column] != largest) | (place >= own);
    }
    return first;
}

/* Each thread sums the gradients of one pixel, from its last window to its first, in the CPU's order: without atomics
   the same values give the same bits. */
extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_gradient(const real* __restrict__ input, const real* __restrict__ output, const real* __restrict__ gradOutput,
                  real* __restrict__ gradInput, const long long count) {
    const index_t item = index_t(blockIdx.x) * THREADS + index_t(threadIdx.x);
    if (item >= count) return;
    const index_t index = item / (H * W), row = item / W % H, column = item % W;
    const real* plane = input + index * (H * W);
    const real x = input[item];
    real sum = 0;
    if (FUSED_RELU && !(x > 0)) {
        gradInput[item] = 0;
        return;
    }
    for (index_t back = 0; back < (kH + sH - 1) / sH * ((kW + sW - 1) / sW); ++back) {
        const index_t i = (row + pH) / sH - back / ((kW + sW - 1) / sW);
        const index_t j = (column + pW) / sW - back % ((kW + sW - 1) / sW);
        const index_t top = i * sH - pH, left = j * sW - pW;
        if (i < 0 || i >= oH || j < 0 || j >= oW || row >= top + kH || column >= left + kW) continue;
        const index_t window = (index * oH + i) * oW + j;
        const real gradient = gradOutput[window];
        if (x == output[window] && is_first(plane, top, left, (row - top) * kW + column - left, x)) sum += gradient;
    }
    gradInput[item] = sum;
}

/* Pixels are read and written in pairs if rows and windows consist of whole pairs. */
constexpr index_t VECTOR = W % 2 == 0 && sW % 2 == 0 ? 2 : 1;

DEVICE void read(real* to, const real* from, bool aligned) {
    if (aligned) {
        const real2 pair = *reinterpret_cast<const real2*>(from);
        to[0] = pair.x, to[VECTOR - 1] = pair.y;
    } else {
        for (index_t k = 0; k < VECTOR; ++k) to[k] = from[k];
    }
}

DEVICE void write(real* to, const real* from, bool aligned) {
    if (aligned)
        *reinterpret_cast<real2*>(to) = {from[0], from[VECTOR - 1]};
    else
        for (index_t k = 0; k < VECTOR; ++k) to[k] = from[k];
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_gradient_disjoint(const real* __restrict__ input, const real* __restrict__ gradOutput,
                        real* __restrict__ gradInput, const long long count) {
    constexpr index_t CELLS_Y = (H + sH - 1) / sH, CELLS_X = (W + sW - 1) / sW;
    const index_t item = index_t(blockIdx.x) * THREADS + index_t(threadIdx.x);
    if (item >= count) return;
    const index_t index = item / (CELLS_Y * CELLS_X), i = item / CELLS_X % CELLS_Y, j = item % CELLS_X;
    const index_t corner = (index * H + i * sH) * W + j * sW;
    const size_t addresses = reinterpret_cast<size_t>(input) | reinterpret_cast<size_t>(gradInput);
    const bool aligned = VECTOR == 2 && addresses % sizeof(real2) == 0, window = i < oH && j < oW;
    real x[sH][sW];
#pragma unroll
    for (index_t v = 0; v < sH; ++v)
#pragma unroll
        for (index_t u = 0; u < sW; u += VECTOR)
            if (i * sH + v < H && j * sW + u < W) read(x[v] + u, input + corner + v * W + u, aligned);
    real largest = x[0][0];
#pragma unroll
    for (index_t v = 0; v < kH; ++v)
#pragma unroll
        for (index_t u = 0; u < kW; ++u)
            if (window && (x[v][u] > largest || x[v][u] != x[v][u])) largest = x[v][u];
    const real gradient = window ? gradOutput[(index * oH + i) * oW + j] : real(0);
    bool found = !window || (FUSED_RELU && !(largest > 0));
#pragma unroll
    for (index_t v = 0; v < sH; ++v)
#pragma unroll
        for (index_t u = 0; u < sW; u += VECTOR) {
            real gradients[VECTOR];
#pragma unroll
            for (index_t k = 0; k < VECTOR; ++k) {
                const bool here = v < kH && u + k < kW && !found && x[v][u + k] == largest;
                gradients[k] = here ? gradient : real(0);
                found |= here;
            }
            if (i * sH + v < H && j * sW + u < W) write(gradInput + corner + v * W + u, gradients, aligned);
        }
}
