/* A convolution's pass as one matrix product, whose unrolled input is never in memory.

   out[m, n] = sum_d A[m, d] B[d, n], one of A's axes the positions (s, i, j), the other one the taps (c, u, v):

       A[(s, i, j), (c, u, v)] = image[s, c, y, x], zero outside, with
           y = stride_y i + u - before_y                  in updateOutput and accGradParameters
           y = (i + before_y - u) / stride_y, if whole    in updateGradInput (BACKWARDS), and x alike
       B[d, n] = matrix[n near + d / period far + d % period]

   image    [samples][maps][height][width]: x, or gradOutput
   matrix   the weights, or gradOutput
   out      m are positions, d taps: [samples][columns][out_height][out_width], with the bias
            TAPS_ARE_ROWS (accGradParameters), m are taps, d positions: [parts][columns][ones + 1], sums of a part of the
            positions; row `ones`, the first behind the taps that is a multiple of TOGETHER, is one everywhere: its sums
            are the bias's. So it shares no tile, and no scale, with pixels that may be far smaller
   Constants of every kernel here: BACKWARDS, TAPS_ARE_ROWS, TOGETHER; the type number */
#pragma once

struct Sizes {
    int samples, maps, height, width; /* of the image */
    int out_height, out_width;        /* of the positions */
    int kernel_y, kernel_x, stride_y, stride_x, before_y, before_x;
    int columns, near, period, far;   /* of the matrix */
    int depth;                        /* of the contraction that a part takes */
};

__device__ __forceinline__ int positions_of(const Sizes& sizes) { return sizes.samples * sizes.out_height * sizes.out_width; }

/* A position, and where its sample begins in the image. */
struct Position {
    int i, j;
    long long sample;
};

__device__ __forceinline__ Position position_at(const Sizes& sizes, int index) {
    const int area = sizes.out_height * sizes.out_width;
    const long long of_sample = static_cast<long long>(sizes.maps) * sizes.height * sizes.width;
    return {index % area / sizes.out_width, index % sizes.out_width, index / area * of_sample};
}

__device__ __forceinline__ int taps_of(const Sizes& sizes) { return sizes.maps * sizes.kernel_y * sizes.kernel_x; }

/* A tap, and where its map begins in a sample; a kernel's row so far off that it reads nothing if there is no such tap. */
struct Tap {
    int map, u, v;
};

__device__ __forceinline__ Tap tap_at(const Sizes& sizes, int index) {
    if (index >= taps_of(sizes)) return {0, 1 << 28, 0};
    const int row = index / sizes.kernel_x, map = row / sizes.kernel_y;
    return {map * sizes.height * sizes.width, row % sizes.kernel_y, index % sizes.kernel_x};
}

/* Where a tap of a kernel's axis reads for place i of the positions; negative where it reads nothing. */
__device__ __forceinline__ int read_at(int i, int tap, int before, int stride) {
    if (!BACKWARDS) return stride * i + tap - before;
    const int at = i + before - tap;
    if (stride == 1) return at;
    return at % stride ? -1 : at / stride;
}

/* What a tap reads at a position, or null. */
__device__ __forceinline__ const number* pixel_at(const number* image, const Sizes& sizes, const Position& position, const Tap& tap) {
    const int y = read_at(position.i, tap.u, sizes.before_y, sizes.stride_y);
    const int x = read_at(position.j, tap.v, sizes.before_x, sizes.stride_x);
    const bool inside = 0 <= y && y < sizes.height && 0 <= x && x < sizes.width;
    return inside ? image + position.sample + tap.map + y * sizes.width + x : nullptr;
}

/* Where B[d, n] lies. */
__device__ __forceinline__ long long in_matrix(const Sizes& sizes, int d, int n) {
    return static_cast<long long>(n) * sizes.near + static_cast<long long>(d / sizes.period) * sizes.far + d % sizes.period;
}

__device__ __forceinline__ int ones_of(const Sizes& sizes) { return (taps_of(sizes) + TOGETHER - 1) / TOGETHER * TOGETHER; }

/* Rows of out, and the contraction's length. */
__device__ __forceinline__ int rows_of(const Sizes& sizes) { return TAPS_ARE_ROWS ? ones_of(sizes) + 1 : positions_of(sizes); }

__device__ __forceinline__ int depths_of(const Sizes& sizes) { return TAPS_ARE_ROWS ? positions_of(sizes) : taps_of(sizes); }

/* Where out[m, n] lies, of a part. */
__device__ __forceinline__ long long in_out(const Sizes& sizes, int part, int m, int n) {
    const int together = TAPS_ARE_ROWS ? rows_of(sizes) : sizes.out_height * sizes.out_width;
    return (static_cast<long long>(m / together + part) * sizes.columns + n) * together + m % together;
}
