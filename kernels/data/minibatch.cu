/* minibatch: gather images of a dataset on the GPU, shifted, flipped, normalised and with a cutout, as
   datasets/loader.py defines it.
   Computes  input[s][c][y][x] = images[image][c][y + dy][x'] factor[c] + offset[c], rounded after each operation, where
             (image, dy, dx, flip, cy, cx) = choices[s] and x' = x + dx, with flip W - 1 - (x + dx);
             0 where y + dy or x + dx is outside the image, and in the cutout: `cutout` rows and columns from
             (cy - cutout / 2, cx - cutout / 2) on
             target[s] = labels[image]
   Input     images   unsigned char [n][C][H][W], labels long long [n]
             choices  Choice [S]
             factor, offset  real [C]
   Output    input    real [S][C][H][W], target long long [S]
   Grid      (S, at most ceil(C H W / THREADS)); with fewer blocks threads loop     Block  THREADS
   Shared    0
   Requires  type real, constant THREADS; C H W at most 2^31 */
#include "device.cuh"

struct Choice {
    int image, dy, dx, flip, cy, cx;
};

extern "C" __global__ void __launch_bounds__(THREADS)
minibatch(const unsigned char* __restrict__ images, const long long* __restrict__ labels,
          const Choice* __restrict__ choices, const real* __restrict__ factor, const real* __restrict__ offset,
          real* __restrict__ input, long long* __restrict__ target, int C, int H, int W, int cutout) {
    const Choice choice = choices[blockIdx.x];
    const int top = choice.cy - cutout / 2, left = choice.cx - cutout / 2;
    const unsigned plane = static_cast<unsigned>(H) * W, values = C * plane;
    const unsigned char* image = images + static_cast<long long>(choice.image) * values;
    real* own = input + static_cast<long long>(blockIdx.x) * values;
    if (blockIdx.y == 0 && threadIdx.x == 0) target[blockIdx.x] = labels[choice.image];
    for (unsigned i = blockIdx.y * THREADS + threadIdx.x; i < values; i += gridDim.y * THREADS) {
        const unsigned c = i / plane;
        const int y = i / W % H, x = i % W, row = y + choice.dy, column = x + choice.dx;
        const bool inside = 0 <= row && row < H && 0 <= column && column < W;
        const bool cut = top <= y && y - top < cutout && left <= x && x - left < cutout;
        if (!inside || cut) {
            own[i] = 0;
            continue;
        }
        const unsigned from = c * plane + row * W + (choice.flip ? W - 1 - column : column);
        own[i] = multiply_then_add(image[from], factor[c], offset[c]);
    }
}
