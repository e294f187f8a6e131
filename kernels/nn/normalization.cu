/* normalization: batch normalisation of maps, forwards and backwards, as nn/normalization.py defines it.
   Computes  moments         sum d and sum d^2 of d = x - x[0][c][0], of a part of map c's values
             statistics      from those mean and 1/sqrt(var + eps) of each map, and the running ones moved
             normalize       output = (input - mean) scale + bias, scale being weight inverse_std; with `rectify`
                             max(that, 0)
             gradient_sums   sum dy and sum dy (x - mean), of a part of map c's values; with `rectified`, ReLU's output,
                             of masked = gradOutput where rectified > 0, else 0
             totals          from those sum dy and sum dy x_hat of each map
             pass_back       dx = scale (dy - total / n - x_hat projection / n), or scale dy where total is null
   Input     input, gradOutput, rectified     real  [S][C][pixels]; rectified null without a ReLU
             mean, inverse_std, weight, bias  real  [C]; null for a weight of 1 and a bias of 0
   Output    output, gradInput, masked        real  [S][C][pixels]; masked null without a ReLU, or gradOutput itself
             mean, inverse_std, running_mean, running_var, total, projection  real  [C]
             sums      double  [C][parts][2]: what the parts' kernels leave to those of whole maps
   Grid      (C, parts), `each` values of a map a block; statistics and totals (ceil(C / THREADS), 1)
   Block     THREADS
   Shared    THREADS doubles, in moments and gradient_sums; 0
   Requires  type real, constants THREADS, a power of 2, and TOGETHER

   Sums are in double precision: exact enough for maps far from zero in one pass, and no slower than memory. They are
   added up in an order that the sizes alone decide, so that the same values give the same bits. */
#include "device.cuh"

/* use(i, load(i)) for each value i of map blockIdx.x in this block's part, which is the next `each` of them.

   A thread loads TOGETHER values before it uses any: memory is fast only if much is asked for at once. So where `use`
   stores, the arrays are not __restrict__: compilers then put loads behind stores, to save registers. */
template <typename Load, typename Use>
__device__ __forceinline__ void over_map(int S, int pixels, int each, Load load, Use use) {
    const long long all = static_cast<long long>(S) * pixels, first = static_cast<long long>(blockIdx.y) * each;
    const int count = all - first < each ? all - first : each;
    int place = threadIdx.x;  // in the part
    if (place >= count) return;
    const long long sample = static_cast<long long>(gridDim.x) * pixels, step = THREADS / pixels * sample;
    const int over = THREADS % pixels;
    int pixel = (first + place) % pixels;
    long long i = (first + place) / pixels * sample + static_cast<long long>(blockIdx.x) * pixels + pixel;
    const auto advance = [&] {  // by THREADS values
        i += step + over, pixel += over;
        if (pixel >= pixels) i += sample - pixels, pixel -= pixels;
    };
    for (; place + (TOGETHER - 1) * THREADS < count; place += TOGETHER * THREADS) {
        long long at[TOGETHER];
        decltype(load(i)) loaded[TOGETHER];
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k, advance()) loaded[k] = load(at[k] = i);
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k) use(at[k], loaded[k]);
    }
#pragma unroll 1
    for (; place < count; place += THREADS, advance()) use(i, load(i));
}

/* The block's sum of what each thread has, for the first of them. */
__device__ double sum_of_block(double value, double* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    return shared[0];  // which that thread alone writes to next
}

__device__ void store_sums(double first, double second, double* sums) {
    SHARED(double, shared);
    first = sum_of_block(first, shared), second = sum_of_block(second, shared);
    if (threadIdx.x) return;
    double* own = sums + 2 * (blockIdx.x * gridDim.y + blockIdx.y);
    own[0] = first, own[1] = second;
}

__device__ void add_parts(const double* sums, int map, int parts, double& first, double& second) {
    first = second = 0;
    for (int part = map * parts; part < (map + 1) * parts; ++part) first += sums[2 * part], second += sums[2 * part + 1];
}

extern "C" __global__ void __launch_bounds__(THREADS)
moments(const real* __restrict__ input, double* __restrict__ sums, int S, int pixels, int each) {
    const double near = input[static_cast<long long>(blockIdx.x) * pixels];
    double first = 0, second = 0;
    const auto load = [&](long long i) { return input[i]; };
    over_map(S, pixels, each, load, [&](long long, real x) {
        const double d = x - near;
        first += d, second += d * d;
    });
    store_sums(first, second, sums);
}

extern "C" __global__ void __launch_bounds__(THREADS)
statistics(const real* __restrict__ input, const double* __restrict__ sums, real* __restrict__ mean,
           real* __restrict__ inverse_std, real* __restrict__ running_mean, real* __restrict__ running_var, int S, int C,
           int pixels, int parts, double momentum, double eps) {
    const int map = blockIdx.x * THREADS + threadIdx.x;
    if (map >= C) return;
    double first, second;
    add_parts(sums, map, parts, first, second);
    const double n = static_cast<double>(S) * pixels, shift = first / n;
    const double middle = input[static_cast<long long>(map) * pixels] + shift;
    const double spread = second / n - shift * shift, variance = spread < 0 ? 0 : spread;  // NaN stays NaN
    mean[map] = middle;
    inverse_std[map] = 1 / sqrt(variance + eps);
    running_mean[map] = (1 - momentum) * running_mean[map] + momentum * middle;
    running_var[map] = (1 - momentum) * running_var[map] + momentum * variance * (n / (n - 1));
}

extern "C" __global__ void __launch_bounds__(THREADS)
normalize(const real* input, const real* __restrict__ mean, const real* __restrict__ inverse_std,
          const real* __restrict__ weight, const real* __restrict__ bias, real* output, int rectify, int S, int pixels,
          int each) {
    const int map = blockIdx.x;
    const real middle = mean[map], scale = inverse_std[map] * (weight ? weight[map] : 1), shift = bias ? bias[map] : 0;
    const auto load = [&](long long i) { return input[i]; };
    over_map(S, pixels, each, load, [&](long long i, real x) {
        const real y = (x - middle) * scale + shift;
        output[i] = rectify ? relu(y) : y;
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
gradient_sums(const real* input, const real* gradOutput, const real* __restrict__ mean, const real* rectified,
              real* masked, double* __restrict__ sums, int S, int pixels, int each) {
    const double middle = mean[blockIdx.x];
    double first = 0, second = 0;
    struct Values {
        real x, dy, y;
    };
    const auto load = [&](long long i) { return Values{input[i], gradOutput[i], rectified ? rectified[i] : real(1)}; };
    over_map(S, pixels, each, load, [&](long long i, Values at) {
        const real dy = at.dy * (at.y > 0);
        if (rectified) masked[i] = dy;
        first += dy, second += dy * (at.x - middle);
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
pass_back(const real* input, const real* gradOutput, const real* __restrict__ mean,
          const real* __restrict__ inverse_std, const real* __restrict__ weight, const real* __restrict__ total,
          const real* __restrict__ projection, real* gradInput, int S, int pixels, int each) {
    const int map = blockIdx.x;
    const real middle = mean[map], scale = inverse_std[map] * (weight ? weight[map] : 1);
    const double n = static_cast<double>(S) * pixels;
    const real level = total ? total[map] / n : 0, slope = total ? inverse_std[map] * projection[map] / n : 0;
    struct Values {
        real x, dy;
    };
    const auto load = [&](long long i) { return Values{input[i], gradOutput[i]}; };
    over_map(S, pixels, each, load, [&](long long i, Values at) {
        gradInput[i] = scale * (at.dy - level - (at.x - middle) * slope);
    });
}
