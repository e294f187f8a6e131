/* minibatch: pictures that lie on the GPU, normalised, mirrored, shifted and cut out, as datasets/loader.py defines it.
   Computes  input[s][c][y][x] = image[c][y + dy][x'] factor[c] + offset[c], rounded after each of the two operations, of
             image = images[picture], x' = x + dx or, mirrored, W - 1 - (x + dx), with the choice of sample s;
             0 where y + dy or x + dx is outside, and in the square of `cutout` rows and columns around (cy, cx), those
             from cy - cutout / 2 and cx - cutout / 2 on
             target[s] = labels[picture]
   Input     images   unsigned char [pictures][C][H][W], labels long long [pictures]
             choices  Choice [S]
             factor, offset  real [C]
   Output    input    real [S][C][H][W], target long long [S]
   Grid      (S, enough for a picture's values; fewer take several each)     Block  THREADS
   Shared    0
   Requires  type real, constant THREADS; C H W at most 2^31 */
#include "device.cuh"

struct Choice {
    int picture, dy, dx, mirrored, cy, cx;
};

extern "C" __global__ void __launch_bounds__(THREADS)
minibatch(const unsigned char* __restrict__ images, const long long* __restrict__ labels,
          const Choice* __restrict__ choices, const real* __restrict__ factor, const real* __restrict__ offset,
          real* __restrict__ input, long long* __restrict__ target, int C, int H, int W, int cutout) {
    const Choice choice = choices[blockIdx.x];
    const int top = choice.cy - cutout / 2, left = choice.cx - cutout / 2;
    const unsigned plane = static_cast<unsigned>(H) * W, values = C * plane;
    const unsigned char* image = images + static_cast<long long>(choice.picture) * values;
    real* own = input + static_cast<long long>(blockIdx.x) * values;
    if (blockIdx.y == 0 && threadIdx.x == 0) target[blockIdx.x] = labels[choice.picture];
    for (unsigned i = blockIdx.y * THREADS + threadIdx.x; i < values; i += gridDim.y * THREADS) {
        const unsigned c = i / plane;
        const int y = i / W % H, x = i % W, row = y + choice.dy, column = x + choice.dx;
        const bool inside = 0 <= row && row < H && 0 <= column && column < W;
        const bool cut = top <= y && y - top < cutout && left <= x && x - left < cutout;
        if (!inside || cut) {
            own[i] = 0;
            continue;
        }
        const unsigned from = c * plane + row * W + (choice.mirrored ? W - 1 - column : column);
        own[i] = multiply_then_add(image[from], factor[c], offset[c]);
    }
}
