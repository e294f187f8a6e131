/* sgd: a step of stochastic gradient descent, as optim.py defines it.
   Computes  g = gradients + decay weights;  velocity = momentum velocity + g;
             weights -= *rate (g + momentum velocity) with NESTEROV, *rate velocity without, *rate g without a velocity
   Input     gradients, weights, velocity  real  [count]; velocity may be null
             rate    double  [1]: in memory, so that a captured step can go on with another one
             loss    double  [1]: where it is not finite nothing is written; may be null
   Output    weights, velocity
   Grid      ceil(count / (THREADS * EACH)) blocks     Block  THREADS, each EACH numbers, THREADS apart
   Shared    0                                         Requires  type real, constants THREADS, EACH, NESTEROV */

extern "C" __global__ void __launch_bounds__(THREADS)
sgd(real* __restrict__ weights, const real* __restrict__ gradients, real* __restrict__ velocity,
    const double* __restrict__ rate, const double* __restrict__ loss, const real momentum, const real decay,
    const long long count) {
    if (loss && *loss - *loss != 0) return;
    const long long first = static_cast<long long>(blockIdx.x) * (THREADS * EACH) + threadIdx.x;
    const real step = *rate;
    real w[EACH], g[EACH], v[EACH];
#pragma unroll
    for (int n = 0; n < EACH; ++n) {  // all loads first: none waits for another
        const long long i = first + n * THREADS;
        if (i >= count) continue;
        w[n] = weights[i], g[n] = gradients[i];
        if (velocity) v[n] = velocity[i];
    }
#pragma unroll
    for (int n = 0; n < EACH; ++n) {
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
