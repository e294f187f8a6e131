/* max_pool: the largest value of each window of a plane, and max_pool_gradient: a window's gradient back to where it was.
   Computes  output[p][i][j] = max of input[p] over the window of (i, j): rows i sH - pH to i sH - pH + kH - 1, columns
             likewise, as far as they lie on the plane; NaN if one of them is
             gradInput[p][h][w] = sum of gradOutput[p][i][j] over the windows whose first largest value, by rows, is
             input[p][h][w]; where the largest is NaN nothing equals it; with RECTIFIED, the input being ReLU's output,
             zero where that is: the gradient of ReLU's input
   Input     input      real  [planes][H][W]
             gradOutput real  [planes][oH][oW], and output as the first kernel wrote it
   Output    output     real  [planes][oH][oW]; gradInput real [planes][H][W]
   Grid      ceil(count / THREADS) blocks     Block  THREADS, each one of the `count` values that are written
   Shared    0                                Requires  types real, real2 and integer (which holds count + THREADS),
             constants THREADS, RECTIFIED, H, W, kH, kW, sH, sW, pH, pW, oH, oW; padding at most half the window: each
             holds a pixel

   max_pool_gradient_apart: the same where no two windows share a pixel and none reaches beyond its plane (kH <= sH,
   kW <= sW, no padding); a thread has a cell, a window with what lies between it and the next ones, and reads it once.
   Grid      ceil(count / THREADS) blocks of `count` cells, ceil(H / sH) ceil(W / sW) a plane */

/* Without padding no window reaches beyond its plane. */
__device__ __forceinline__ bool inside(integer row, integer column) {
    return (pH == 0 || (0 <= row && row < H)) && (pW == 0 || (0 <= column && column < W));
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool(const real* __restrict__ input, real* __restrict__ output, const long long count) {
    const integer item = integer(blockIdx.x) * THREADS + integer(threadIdx.x);
    if (item >= count) return;
    const real* plane = input + item / (oH * oW) * (H * W);
    const integer top = item / oW % oH * sH - pH, left = item % oW * sW - pW;
    real largest = plane[(pH > 0 && top < 0 ? 0 : top) * W + (pW > 0 && left < 0 ? 0 : left)];
    for (integer place = 0; place < kH * kW; ++place) {
        const integer row = top + place / kW, column = left + place % kW;
        if (!inside(row, column)) continue;
        const real x = plane[row * W + column];
        if (x > largest || x != x) largest = x;  // nothing is larger than NaN, so that it stays
    }
    output[item] = largest;
}

/* Whether none of the window's values before place `own`, by rows, is as large. It reads all others too: reads that do
   not wait for each other's answer go out together. */
__device__ __forceinline__ bool is_first(const real* plane, integer top, integer left, integer own, real largest) {
    bool first = true;
    for (integer place = 0; place < kH * kW - 1; ++place) {
        const integer row = top + place / kW, column = left + place % kW;
        if (inside(row, column)) first &= (plane[row * W + column] != largest) | (place >= own);
    }
    return first;
}

/* Each thread gathers what one pixel gets, from the last of its windows to the first, as the CPU adds it up: no atomics,
   and the same bits every time. */
extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_gradient(const real* __restrict__ input, const real* __restrict__ output, const real* __restrict__ gradOutput,
                  real* __restrict__ gradInput, const long long count) {
    const integer item = integer(blockIdx.x) * THREADS + integer(threadIdx.x);
    if (item >= count) return;
    const integer index = item / (H * W), row = item / W % H, column = item % W;
    const real* plane = input + index * (H * W);
    const real x = input[item];
    real sum = 0;
    if (RECTIFIED && !(x > 0)) {
        gradInput[item] = 0;
        return;
    }
    for (integer back = 0; back < (kH + sH - 1) / sH * ((kW + sW - 1) / sW); ++back) {
        const integer i = (row + pH) / sH - back / ((kW + sW - 1) / sW);
        const integer j = (column + pW) / sW - back % ((kW + sW - 1) / sW);
        const integer top = i * sH - pH, left = j * sW - pW;
        if (i < 0 || i >= oH || j < 0 || j >= oW || row >= top + kH || column >= left + kW) continue;
        const integer window = (index * oH + i) * oW + j;
        const real gradient = gradOutput[window];
        if (x == output[window] && is_first(plane, top, left, (row - top) * kW + column - left, x)) sum += gradient;
    }
    gradInput[item] = sum;
}

/* Neighbours of a row are read and written as one where rows consist of whole pairs that lie at even addresses. */
constexpr integer TOGETHER = W % 2 == 0 && sW % 2 == 0 ? 2 : 1;

__device__ __forceinline__ void read(real* to, const real* from, bool aligned) {
    if (aligned) {
        const real2 pair = *reinterpret_cast<const real2*>(from);
        to[0] = pair.x, to[TOGETHER - 1] = pair.y;
    } else {
        for (integer k = 0; k < TOGETHER; ++k) to[k] = from[k];
    }
}

__device__ __forceinline__ void write(real* to, const real* from, bool aligned) {
    if (aligned)
        *reinterpret_cast<real2*>(to) = {from[0], from[TOGETHER - 1]};
    else
        for (integer k = 0; k < TOGETHER; ++k) to[k] = from[k];
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_gradient_apart(const real* __restrict__ input, const real* __restrict__ gradOutput, real* __restrict__ gradInput,
                        const long long count) {
    constexpr integer DOWN = (H + sH - 1) / sH, ALONG = (W + sW - 1) / sW;
    const integer item = integer(blockIdx.x) * THREADS + integer(threadIdx.x);
    if (item >= count) return;
    const integer index = item / (DOWN * ALONG), i = item / ALONG % DOWN, j = item % ALONG;
    const integer corner = (index * H + i * sH) * W + j * sW;
    const size_t addresses = reinterpret_cast<size_t>(input) | reinterpret_cast<size_t>(gradInput);
    const bool aligned = TOGETHER == 2 && addresses % sizeof(real2) == 0, window = i < oH && j < oW;
    real x[sH][sW];
#pragma unroll
    for (integer v = 0; v < sH; ++v)
#pragma unroll
        for (integer u = 0; u < sW; u += TOGETHER)
            if (i * sH + v < H && j * sW + u < W) read(x[v] + u, input + corner + v * W + u, aligned);
    real largest = x[0][0];
#pragma unroll
    for (integer v = 0; v < kH; ++v)
#pragma unroll
        for (integer u = 0; u < kW; ++u)
            if (window && (x[v][u] > largest || x[v][u] != x[v][u])) largest = x[v][u];
    const real gradient = window ? gradOutput[(index * oH + i) * oW + j] : real(0);
    bool found = !window || (RECTIFIED && !(largest > 0));
#pragma unroll
    for (integer v = 0; v < sH; ++v)
#pragma unroll
        for (integer u = 0; u < sW; u += TOGETHER) {
            real pass[TOGETHER];
#pragma unroll
            for (integer k = 0; k < TOGETHER; ++k) {
                const bool here = v < kH && u + k < kW && !found && x[v][u + k] == largest;
                pass[k] = here ? gradient : real(0);
                found |= here;
            }
            if (i * sH + v < H && j * sW + u < W) write(gradInput + corner + v * W + u, pass, aligned);
        }
}
