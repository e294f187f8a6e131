/* A pass of a convolution as one matrix product (implicit GEMM): the im2col matrix A is never stored.

   out[m, n] = sum_k A[m, k] B[k, n]. One of A's axes is the positions (s, i, j), the other one the taps (c, u, v):

       A[(s, i, j), (c, u, v)] = image[s, c, y, x], or 0 outside the image, with
           y = stride_y i + u - pad_y                updateOutput, and accGradParameters (WGRAD)
           y = (i + pad_y - u) / stride_y, if whole  updateGradInput (DGRAD); x likewise
       B[k, n] = matrix[n n_stride + k / k_period period_stride + k % k_period]

   image    [samples][maps][height][width]: x, or with DGRAD gradOutput
   matrix   the weights, or with WGRAD gradOutput
   out      m are positions, k are taps: [samples][N][out_height][out_width], with the bias added.
            WGRAD: m are taps, k are positions: [parts][N][ones_row + 1], sums over parts of the positions. A is 1 in
            row `ones_row`, whose sums are the bias's gradient. It is the first multiple of TILE_M behind the taps: so
            it shares no tile, and no scale, with pixels that may be far smaller
   Constants of every kernel here: DGRAD, WGRAD, TILE_M; the type number */
#pragma once

struct ConvProblem {
    int samples, maps, height, width; /* of the image */
    int out_height, out_width;        /* of the positions */
    int kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x;
    int N, n_stride, k_period, period_stride; /* of B */
    int k_per_part;

    DEVICE int positions() const { return samples * out_height * out_width; }
    DEVICE int taps() const { return maps * kernel_y * kernel_x; }
    DEVICE int ones_row() const { return (taps() + TILE_M - 1) / TILE_M * TILE_M; }
    DEVICE int M() const { return WGRAD ? ones_row() + 1 : positions(); }
    DEVICE int K() const { return WGRAD ? positions() : taps(); }

    /* The offset of B[k, n] in matrix. */
    DEVICE long long matrix_offset(int k, int n) const {
        return static_cast<long long>(n) * n_stride + static_cast<long long>(k / k_period) * period_stride +
               k % k_period;
    }

    /* The offset of out[m, n], with WGRAD of a part. */
    DEVICE long long out_offset(int part, int m, int n) const {
        const int plane = WGRAD ? M() : out_height * out_width;
        return (static_cast<long long>(m / plane + part) * N + n) * plane + m % plane;
    }
};

/* A position, and the offset of its sample in the image. */
struct Position {
    int i, j;
    long long sample;
};

DEVICE Position position_at(const ConvProblem& problem, int index) {
    const int area = problem.out_height * problem.out_width;
    const long long sample_size = static_cast<long long>(problem.maps) * problem.height * problem.width;
    return {index % area / problem.out_width, index % problem.out_width, index / area * sample_size};
}

/* A tap, and the offset of its map in a sample. */
struct Tap {
    int map, u, v;
};

/* Beyond the last tap the kernel's row is so large that it lies outside every image. */
DEVICE Tap tap_at(const ConvProblem& problem, int index) {
    if (index >= problem.taps()) return {0, 1 << 28, 0};
    const int row = index / problem.kernel_x, map = row / problem.kernel_y;
    return {map * problem.height * problem.width, row % problem.kernel_y, index % problem.kernel_x};
}

/* The row or column of the image for position i and a tap along one axis; negative if there is none. */
DEVICE int image_index(int i, int tap, int pad, int stride) {
    if (!DGRAD) return stride * i + tap - pad;
    const int at = i + pad - tap;
    if (stride == 1) return at;
    return at % stride ? -1 : at / stride;
}

/* The pixel for a position and a tap, or null. */
DEVICE const number* pixel_at(const number* image, const ConvProblem& problem, const Position& position,
                              const Tap& tap) {
    const int y = image_index(position.i, tap.u, problem.pad_y, problem.stride_y);
    const int x = image_index(position.j, tap.v, problem.pad_x, problem.stride_x);
    const bool inside = 0 <= y && y < problem.height && 0 <= x && x < problem.width;
    return inside ? image + position.sample + tap.map + y * problem.width + x : nullptr;
}
