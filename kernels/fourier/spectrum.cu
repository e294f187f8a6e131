/* spectrum: real planes, padded with zeros -> half spectra.
   Computes  out[q][(a, tile)][(phase, b)] = sum_{y,x} window[y][x] exp(-2 pi i (ky y / NY + kx x / NX)) for each
             window of plane (a, b), conjugated if CONJUGATE: first two columns at a time as one complex line along y,
             then the rows of the half spectrum along x. Tiles of an image (T) are more samples, phases of a stride (P)
             more maps; a window is one phase of one tile (tinyfft/fourier/axis.py)
   ReLU      With RELU the planes are first multiplied by the mask [relu_output > 0], and the products are also written
             to `masked`, which may be the planes themselves
   Input     planes, relu_output  real  [A][B][h][w], each sample contiguous
   Output    out     number  [Q][A T][P B], frequency first, the independent frequencies only (transform.cuh)
             masked  real    as the planes
   Grid      x: groups of PLANES_PER_BLOCK planes, y: tile and phase
   Block     THREADS, each with one line at a time in registers
   Shared    HALF_ROWS * ROW_PITCH * sizeof(Columns): the half spectrum's rows, planes innermost
   Requires  the macros of transform.cuh, and PAIRED: two columns can be read as one real2; with RELU no two windows
             overlap */
#include "transform.cuh"

#if RELU
#define MAY_ALIAS /* planes and masked may be the same array */
#else
#define MAY_ALIAS __restrict__
#endif

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM)
spectrum(const real* MAY_ALIAS planes, number* __restrict__ out, const real* __restrict__ relu_output,
         real* MAY_ALIAS masked, const Layout layout) {
    SHARED(Columns, half);
    const Cell cell = cell_of_block(layout, blockIdx.y);
    const int first = blockIdx.x * PLANES_PER_BLOCK;
    const bool only_padding = is_padding(layout, first);

    constexpr int ITEMS = PLANES_PER_BLOCK * PAIRS;
    for (int item = only_padding ? ITEMS : threadIdx.x; item < ITEMS; item += THREADS) {
        const int plane = item / PAIRS, pair = item % PAIRS;
        real2 v[NY];  // rows from ROWS on are zeros that DFT_Y does not read
        const long long start = plane_in_memory(layout, first + plane) * (HEIGHT * WIDTH) + cell.row * WIDTH +
                                cell.column + STRIDE_X * 2 * pair;
        const bool valid = is_valid(layout, first + plane);
        const bool left = valid && inside(cell.column, STRIDE_X, 2 * pair, layout.x.size);
        const bool right =
            valid && 2 * pair + 1 < COLUMNS && inside(cell.column, STRIDE_X, 2 * pair + 1, layout.x.size);
#pragma unroll
        for (int n = 0; n < ROWS; ++n) {
            const bool in_row = inside(cell.row, STRIDE_Y, n, layout.y.size);
            v[n] = load_pair(planes, start + STRIDE_Y * n * WIDTH, left && in_row, right && in_row);
        }
        if (RELU) {  // after all loads: a load behind a store that may alias it would have to wait
#pragma unroll
            for (int n = 0; n < ROWS; ++n) {
                const bool in_row = inside(cell.row, STRIDE_Y, n, layout.y.size);
                const long long pixel = start + STRIDE_Y * n * WIDTH;
                const real2 mask = load_pair(relu_output, pixel, left && in_row, right && in_row);
                v[n] = make_real2(mask.x > 0 ? v[n].x : real(0), mask.y > 0 ? v[n].y : real(0));
                store_pair(masked, pixel, left && in_row, right && in_row, v[n]);
            }
        }
#pragma unroll
        for (int n = 0; n < ROWS; ++n) v[n] = make_real2(real(0.5) * v[n].x, real(0.5) * v[n].y);
        DFT_Y(v);
#pragma unroll
        for (int ky = 0; ky < HALF_ROWS; ++ky) {  // V = (left + i right) / 2: left V + conj V', right (V - conj V') / i
            const real2 a = v[ky], b = v[(NY - ky) % NY];
            half[shared_offset(ky, pair, plane)] = {make_real2(a.x + b.x, a.y - b.y), make_real2(a.y + b.y, b.x - a.x)};
        }
    }
    __syncthreads();

    for (int base = 0; base < HALF_ROWS * PLANES_PER_BLOCK; base += THREADS) {
        const int item = base + threadIdx.x, plane = item % PLANES_PER_BLOCK, ky = row_of(item);
        const bool has_item = item < HALF_ROWS * PLANES_PER_BLOCK && first + plane < layout.count;
        if (!BF16 && !has_item) continue;
        number line[NX] = {};
        if (!only_padding) {
            real2 v[NX];
#pragma unroll
            for (int x = 0; x < COLUMNS; ++x) {
                const Columns columns = half[shared_offset(ky, x / 2, plane)];
                const real2 z = x % 2 ? columns.right : columns.left;
                v[x] = CONJUGATE ? make_real2(-z.y, z.x) : z;
            }
            DFT_X(v);
#pragma unroll
            for (int kx = 0; kx < NX; ++kx)  // conj Z is (i Z) with real and imaginary part swapped
                line[kx] = to_number(CONJUGATE ? make_real2(v[kx].y, v[kx].x) : v[kx]);
            swizzle_line(line);
        }
        const long long target = first_frequency(ky) * layout.lines + line_of_plane(layout, cell, first + plane);
        const int stored = frequencies_of_row(ky);
#pragma unroll
        for (int kx = 0; kx < NX; ++kx)
            if (has_item && kx < stored) out[target + kx * layout.lines] = line[kx];
    }
}
