/* cross_entropy: the loss of classes and its gradient, as nn/criterion.py defines them, and how often the largest is right.
   Computes  cross_entropy           log_p[s][k] = x[s][k] - log sum_j exp x[s][j], the largest x[s][j] taken out before
                                     exp, and losses[s] = -sum_k q[s][k] log_p[s][k], q[s][k] being
                                     (1 - smoothing) [k = target[s]] + smoothing / K; NaN where there is no such class
             mean                    *loss = sum_s losses[s] / S
             cross_entropy_gradient  gradInput[s][k] = (exp log_p[s][k] - q[s][k]) / S
             count_correct           *correct += the s whose first largest x[s][k] is that of k = target[s]
   Input     x       real   [S][K], K at least 1
             target  label  [S]
   Output    log_p, gradInput  real [S][K];  losses double [S];  loss, correct  double [1]
   Grid      (S, 1), a sample each; mean (1, 1)     Block  THREADS
   Shared    THREADS doubles; 0 in cross_entropy_gradient
   Requires  types real and label (an integer), constant THREADS, a power of 2

   Sums are in double precision and in an order that the sizes alone decide. */
#include "device.cuh"

/* combine over what all threads have, for each of them. */
template <typename Combine>
__device__ double over_block(double value, double* shared, Combine combine) {
    __syncthreads();  // until the last result has been read by all
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half]);
        __syncthreads();
    }
    return shared[0];
}

__device__ __forceinline__ double sum_of(double a, double b) { return a + b; }
__device__ __forceinline__ double larger(double a, double b) { return b > a || b != b ? b : a; }  // NaN stays NaN
__device__ __forceinline__ double smaller(double a, double b) { return b < a ? b : a; }

__device__ double largest_of_row(const real* row, int K, double* shared) {
    double largest = row[0];
    for (int k = threadIdx.x; k < K; k += THREADS) largest = larger(largest, row[k]);
    return over_block(largest, shared, larger);
}

extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy(const real* __restrict__ x, const label* __restrict__ target, real* __restrict__ log_p,
              double* __restrict__ losses, int K, double smoothing) {
    SHARED(double, shared);
    const real* row = x + static_cast<long long>(blockIdx.x) * K;
    real* out = log_p + static_cast<long long>(blockIdx.x) * K;
    const real largest = largest_of_row(row, K, shared);
    double sum = 0, total = 0;
    for (int k = threadIdx.x; k < K; k += THREADS) sum += exp(row[k] - largest);
    const real logarithm = log(over_block(sum, shared, sum_of));
    for (int k = threadIdx.x; k < K; k += THREADS) {
        out[k] = row[k] - largest - logarithm;
        total += out[k];
    }
    total = over_block(total, shared, sum_of);
    if (threadIdx.x) return;
    const long long k = target[blockIdx.x];
    const double of_target = k >= 0 && k < K ? static_cast<double>(row[k] - largest - logarithm) : nan("");
    losses[blockIdx.x] = -(1 - smoothing) * of_target - smoothing / K * total;
}

extern "C" __global__ void __launch_bounds__(THREADS)
mean(const double* __restrict__ losses, double* __restrict__ loss, int S) {
    SHARED(double, shared);
    double sum = 0;
    for (int s = threadIdx.x; s < S; s += THREADS) sum += losses[s];
    sum = over_block(sum, shared, sum_of);
    if (threadIdx.x == 0) *loss = sum / S;
}

extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy_gradient(const real* __restrict__ log_p, const label* __restrict__ target, real* __restrict__ gradInput,
                       int K, double smoothing) {
    const long long first = static_cast<long long>(blockIdx.x) * K, wanted = target[blockIdx.x];
    const real of_all = smoothing / K, of_target = 1 - smoothing, S = gridDim.x;
    for (int k = threadIdx.x; k < K; k += THREADS)
        gradInput[first + k] = (exp(log_p[first + k]) - of_all - (k == wanted ? of_target : real(0))) / S;
}

extern "C" __global__ void __launch_bounds__(THREADS)
count_correct(const real* __restrict__ x, const label* __restrict__ target, double* __restrict__ correct, int K) {
    SHARED(double, shared);
    const real* row = x + static_cast<long long>(blockIdx.x) * K;
    const double largest = largest_of_row(row, K, shared);
    double first = K;  // of the largest
    for (int k = threadIdx.x; k < K; k += THREADS)
        if (row[k] == largest) first = smaller(first, k);
    first = over_block(first, shared, smaller);
    if (threadIdx.x == 0 && first == static_cast<double>(target[blockIdx.x])) atomicAdd(correct, 1.0);
}
