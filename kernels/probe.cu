/* probe: the kernel by which a GPU shows that it works (backend.py).
   Computes  y[i] = 2 x[i] + 1
   Input     x  float [n]
   Output    y  float [n]
   Grid      ceil(n / blockDim.x) blocks          Block  any number of threads, one element each
   Shared    0                                    Requires  n >= 1 */
extern "C" __global__ void probe(const float* x, float* y, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2.0f * x[i] + 1.0f;
}
