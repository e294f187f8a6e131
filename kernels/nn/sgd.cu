/* sgd: one step of stochastic gradient descent, as optim.py defines it.
   Computes  g = gradients + decay weights;  velocity = momentum velocity + g;
             weights -= *rate (g + momentum velocity) with NESTEROV, *rate velocity without, *rate g without a velocity
   Input     gradients, weights, velocity  real  [count]; velocity may be null
             rate    double  [1]: in memory, so that a captured graph can be replayed with another rate
             loss    double  [1]: if it is not finite nothing is written; may be null
   Output    weights, velocity
   Grid      ceil(count / (THREADS * PER_THREAD)) blocks     Block  THREADS, each with PER_THREAD numbers, THREADS apart
   Shared    0                                         Requires  type real, constants THREADS, PER_THREAD, NESTEROV */

extern "C" __global__ void __launch_bounds__(THREADS)
sgd(real* __restrict__ weights, const real* __restrict__ gradients, real* __restrict__ velocity,
    const double* __restrict__ rate, const double* __restrict__ loss, const real momentum, const real decay,
    const long long count) {
    if (loss && *loss - *loss != 0) return;
    const long long first = static_cast<long long>(blockIdx.x) * (THREADS * PER_THREAD) + threadIdx.x;
    const real step = *rate;
    real w[PER_THREAD], g[PER_THREAD], v[PER_THREAD];
#pragma unroll
    for (int n = 0; n < PER_THREAD; ++n) {  // all loads before the first store: they overlap
        const long long i = first + n * THREADS;
        if (i >= count) continue;
        w[n] = weights[i], g[n] = gradients[i];
        if (velocity) v[n] = velocity[i];
    }
#pragma unroll
    for (int n = 0; n < PER_THREAD; ++n) {
        const long long i = first + n * THREADS;
        if (i >= count) continue;
        real d = g[n] + decay * w[n];
        if (velocity) {
            v[n] = momentum * v[n] + d;
            velocity[i] = v[n];
            d = NESTEROV ? d + momentum * v[n] : v[n];
        }
        weights[i] = w[n] - step * d;
    }
}
