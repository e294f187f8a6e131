/* cross_entropy: the cross-entropy loss and its gradient, as nn/criterion.py defines them, and the number of correct
   outputs.
   Computes  cross_entropy           log_p[s][k] = x[s][k] - log sum_j exp x[s][j], max_j x[s][j] subtracted before exp
                                     losses[s] = -sum_k q[s][k] log_p[s][k], NaN if target[s] is not a class;
                                     q[s][k] = (1 - smoothing) [k = target[s]] + smoothing / K
             mean                    *loss = sum_s losses[s] / S
             cross_entropy_gradient  gradInput[s][k] = (exp log_p[s][k] - q[s][k]) / S
             count_correct           *correct += the number of s for which target[s] is the first k of max_k x[s][k]
   Input     x       real   [S][K], K at least 1
             target  label  [S]
   Output    log_p, gradInput  real [S][K];  losses double [S];  loss, correct  double [1]
   Grid      (S, 1), one block a sample; mean (1, 1)     Block  THREADS
   Shared    THREADS doubles; 0 in cross_entropy_gradient
   Requires  types real and label (an integer), constant THREADS, a power of 2

   Sums are in double precision, in an order that depends only on the sizes. */
#include "device.cuh"

/* Reduce the threads' values with `combine`; every thread gets the result. */
template <typename Combine>
__device__ double block_reduce(double value, double* shared, Combine combine) {
    __syncthreads();  // all threads have read the result before
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half]);
        __syncthreads();
    }
    return shared[0];
}

DEVICE double sum_of(double a, double b) { return a + b; }
DEVICE double larger(double a, double b) { return b > a || b != b ? b : a; }  // NaN stays NaN
DEVICE double smaller(double a, double b) { return b < a ? b : a; }

__device__ double row_max(const real* row, int K, double* shared) {
    double largest = row[0];
    for (int k = threadIdx.x; k < K; k += THREADS) largest = larger(largest, row[k]);
    return block_reduce(largest, shared, larger);
}

extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy(const real* __restrict__ x, const label* __restrict__ target, real* __restrict__ log_p,
              double* __restrict__ losses, int K, double smoothing) {
    SHARED(double, shared);
    const real* row = x + static_cast<long long>(blockIdx.x) * K;
    real* out = log_p + static_cast<long long>(blockIdx.x) * K;
    const real largest = row_max(row, K, shared);
    double sum = 0, total = 0;
    for (int k = threadIdx.x; k < K; k += THREADS) sum += exp(row[k] - largest);
    const real logarithm = log(block_reduce(sum, shared, sum_of));
    for (int k = threadIdx.x; k < K; k += THREADS) {
        out[k] = row[k] - largest - logarithm;
        total += out[k];
    }
    total = block_reduce(total, shared, sum_of);
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
    sum = block_reduce(sum, shared, sum_of);
    if (threadIdx.x == 0) *loss = sum / S;
}

extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy_gradient(const real* __restrict__ log_p, const label* __restrict__ target, real* __restrict__ gradInput,
                       int K, double smoothing) {
    const long long first = static_cast<long long>(blockIdx.x) * K, wanted = target[blockIdx.x];
    const real smoothed = smoothing / K, of_target = 1 - smoothing, S = gridDim.x;
    for (int k = threadIdx.x; k < K; k += THREADS)
        gradInput[first + k] = (exp(log_p[first + k]) - smoothed - (k == wanted ? of_target : real(0))) / S;
}

extern "C" __global__ void __launch_bounds__(THREADS)
count_correct(const real* __restrict__ x, const label* __restrict__ target, double* __restrict__ correct, int K) {
    SHARED(double, shared);
    const real* row = x + static_cast<long long>(blockIdx.x) * K;
    const double largest = row_max(row, K, shared);
    double first = K;  // of the largest
    for (int k = threadIdx.x; k < K; k += THREADS)
        if (row[k] == largest) first = smaller(first, k);
    first = block_reduce(first, shared, smaller);
    if (threadIdx.x == 0 && first == static_cast<double>(target[blockIdx.x])) atomicAdd(correct, 1.0);
}
