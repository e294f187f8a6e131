/* normalization: batch normalisation of maps, forward and backward, as nn/normalization.py defines it.
   Computes  moments         sum d and sum d^2, d = x - x[0][c][0], over a part of map c
             statistics      mean and 1/sqrt(var + eps) of each map from the sums of its parts; updates running
                             statistics
             normalize       output = (input - mean) scale + bias, scale = weight inverse_std; then ReLU if `with_relu`
             gradient_sums   sum dy and sum dy (x - mean) over a part of map c; if relu_output is given,
                             dy = masked = gradOutput where relu_output > 0, else 0
             totals          sum dy and sum dy x_hat of each map from the sums of its parts
             input_gradient  dx = scale (dy - total / n - x_hat projection / n); scale dy if total is null
   Input     input, gradOutput, relu_output   real  [S][C][pixels]; relu_output is null without a ReLU
             mean, inverse_std, weight, bias  real  [C]; null means a weight of 1, a bias of 0
   Output    output, gradInput, masked        real  [S][C][pixels]; masked is null without a ReLU, or gradOutput itself
             mean, inverse_std, running_mean, running_var, total, projection  real  [C]
             sums      double  [C][parts][2]: of the parts
   Grid      (C, parts), `part_size` values of a map a block; statistics and totals (ceil(C / THREADS), 1)
   Block     THREADS
   Shared    THREADS doubles in moments and gradient_sums, else 0
   Requires  type real, constants THREADS, a power of 2, and UNROLL

   Sums are in double precision: one pass is accurate for maps far from zero, and memory stays the bottleneck. The order
   of additions depends only on the sizes: the same values give the same bits. */
#include "device.cuh"

/* Call use(i, load(i)) for each value i of map blockIdx.x in this block's part.

   A thread loads UNROLL values before it uses any: memory bandwidth needs many loads in flight. Where `use` stores, the
   arrays are not __restrict__: with it compilers move loads behind stores to save registers. */
template <typename Load, typename Use>
DEVICE void for_each_value(int S, int pixels, int part_size, Load load, Use use) {
    const long long all = static_cast<long long>(S) * pixels, first = static_cast<long long>(blockIdx.y) * part_size;
    const int count = all - first < part_size ? all - first : part_size;
    int offset = threadIdx.x;  // in the part
    if (offset >= count) return;
    const long long sample = static_cast<long long>(gridDim.x) * pixels, step = THREADS / pixels * sample;
    const int rest = THREADS % pixels;
    int pixel = (first + offset) % pixels;
    long long i = (first + offset) / pixels * sample + static_cast<long long>(blockIdx.x) * pixels + pixel;
    const auto advance = [&] {  // by THREADS values
        i += step + rest, pixel += rest;
        if (pixel >= pixels) i += sample - pixels, pixel -= pixels;
    };
    for (; offset + (UNROLL - 1) * THREADS < count; offset += UNROLL * THREADS) {
        long long at[UNROLL];
        decltype(load(i)) loaded[UNROLL];
#pragma unroll
        for (int k = 0; k < UNROLL; ++k, advance()) loaded[k] = load(at[k] = i);
#pragma unroll
        for (int k = 0; k < UNROLL; ++k) use(at[k], loaded[k]);
    }
#pragma unroll 1
    for (; offset < count; offset += THREADS, advance()) use(i, load(i));
}

/* The sum of the threads' values, valid in thread 0. */
__device__ double block_sum(double value, double* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    return shared[0];  // only thread 0 writes to it next
}

__device__ void store_sums(double first, double second, double* sums) {
    SHARED(double, shared);
    first = block_sum(first, shared), second = block_sum(second, shared);
    if (threadIdx.x) return;
    double* own = sums + 2 * (blockIdx.x * gridDim.y + blockIdx.y);
    own[0] = first, own[1] = second;
}

__device__ void add_parts(const double* sums, int map, int parts, double& first, double& second) {
    first = second = 0;
    for (int part = map * parts; part < (map + 1) * parts; ++part)
        first += sums[2 * part], second += sums[2 * part + 1];
}

extern "C" __global__ void __launch_bounds__(THREADS)
moments(const real* __restrict__ input, double* __restrict__ sums, int S, int pixels, int part_size) {
    const double reference = input[static_cast<long long>(blockIdx.x) * pixels];
    double first = 0, second = 0;
    const auto load = [&](long long i) { return input[i]; };
    for_each_value(S, pixels, part_size, load, [&](long long, real x) {
        const double d = x - reference;
        first += d, second += d * d;
    });
    store_sums(first, second, sums);
}

extern "C" __global__ void __launch_bounds__(THREADS)
statistics(const real* __restrict__ input, const double* __restrict__ sums, real* __restrict__ mean,
           real* __restrict__ inverse_std, real* __restrict__ running_mean, real* __restrict__ running_var, int S,
           int C, int pixels, int parts, double momentum, double eps) {
    const int map = blockIdx.x * THREADS + threadIdx.x;
    if (map >= C) return;
    double first, second;
    add_parts(sums, map, parts, first, second);
    const double n = static_cast<double>(S) * pixels, shift = first / n;
    const double map_mean = input[static_cast<long long>(map) * pixels] + shift;
    const double square = second / n - shift * shift, variance = square < 0 ? 0 : square;  // NaN stays NaN
    mean[map] = map_mean;
    inverse_std[map] = 1 / sqrt(variance + eps);
    running_mean[map] = (1 - momentum) * running_mean[map] + momentum * map_mean;
    running_var[map] = (1 - momentum) * running_var[map] + momentum * variance * (n / (n - 1));
}

extern "C" __global__ void __launch_bounds__(THREADS)
normalize(const real* input, const real* __restrict__ mean, const real* __restrict__ inverse_std,
          const real* __restrict__ weight, const real* __restrict__ bias, real* output, int with_relu, int S,
          int pixels, int part_size) {
    const int map = blockIdx.x;
    const real center = mean[map], scale = inverse_std[map] * (weight ? weight[map] : 1), shift = bias ? bias[map] : 0;
    const auto load = [&](long long i) { return input[i]; };
    for_each_value(S, pixels, part_size, load, [&](long long i, real x) {
        const real y = (x - center) * scale + shift;
        output[i] = with_relu ? relu(y) : y;
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
gradient_sums(const real* input, const real* gradOutput, const real* __restrict__ mean, const real* relu_output,
              real* masked, double* __restrict__ sums, int S, int pixels, int part_size) {
    const double center = mean[blockIdx.x];
    double first = 0, second = 0;
    struct Values {
        real x, dy, y;
    };
    const auto load = [&](long long i) {
        return Values{input[i], gradOutput[i], relu_output ? relu_output[i] : real(1)};
    };
    for_each_value(S, pixels, part_size, load, [&](long long i, Values at) {
        const real dy = at.dy * (at.y > 0);
        if (relu_output) masked[i] = dy;
        first += dy, second += dy * (at.x - center);
    });
    store_sums(first, second, sums);
}

extern "C" __global__ void __launch_bounds__(THREADS)
totals(const double* __restrict__ sums, const real* __restrict__ inverse_std, real* __restrict__ total,
       real* __restrict__ projection, int C, int parts) {
    const int map = blockIdx.x * THREADS + threadIdx.x;
    if (map >= C) return;
    double first, second;
    add_parts(sums, map, parts, first, second);
    total[map] = first, projection[map] = second * inverse_std[map];
}

extern "C" __global__ void __launch_bounds__(THREADS)
input_gradient(const real* input, const real* gradOutput, const real* __restrict__ mean,
               const real* __restrict__ inverse_std, const real* __restrict__ weight, const real* __restrict__ total,
               const real* __restrict__ projection, real* gradInput, int S, int pixels, int part_size) {
    const int map = blockIdx.x;
    const real center = mean[map], scale = inverse_std[map] * (weight ? weight[map] : 1);
    const double n = static_cast<double>(S) * pixels;
    const real mean_dy = total ? total[map] / n : 0, slope = total ? inverse_std[map] * projection[map] / n : 0;
    struct Values {
        real x, dy;
    };
    const auto load = [&](long long i) { return Values{input[i], gradOutput[i]}; };
    for_each_value(S, pixels, part_size, load, [&](long long i, Values at) {
        gradInput[i] = scale * (at.dy - mean_dy - (at.x - center) * slope);
    });
}
