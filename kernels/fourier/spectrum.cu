/* spectrum: real planes -> half spectra, zero padding on the way in.
   Computes  out[q][(a, tile)][(phase, b)] = sum_{y,x} window of plane (a, b) [y][x] exp(-2 pi i (ky y / NY + kx x / NX)),
             conjugated if CONJUGATE; two columns at a time as one complex line along y, then rows of the half spectrum.
             With RELU the planes are first multiplied by the mask [rectified > 0], and written to `masked` as well,
             which may be the planes themselves
   Input     planes  real    [A][B][h][w], each sample contiguous; rectified alike
   Output    out     number  [Q][A T][P B], frequency first, the independent frequencies alone (fourier.cuh); masked as
             the planes
   Grid      x: groups of PLANES planes, y: tile and phase     Block  THREADS, each a line at a time in registers
   Shared    HALF * ROW_PITCH * sizeof(Columns): the half spectrum's rows, planes innermost
   Requires  the macros of fourier.cuh, and PAIRED: two columns can be read as one real2; with RELU no two windows meet */
#include "transform.cuh"

#if RELU
#define ALONE /* planes and masked may be one */
#else
#define ALONE __restrict__
#endif

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
spectrum(const real* ALONE planes, number* __restrict__ out, const real* __restrict__ rectified, real* ALONE masked,
         const Layout layout) {
    SHARED(Columns, half);
    const Cell cell = cell_of_block(layout, blockIdx.y);
    const int first = blockIdx.x * PLANES;
    const bool zeros = fills_up(layout, first);

    for (int item = zeros ? PLANES * PAIRS : threadIdx.x; item < PLANES * PAIRS; item += THREADS) {
        const int plane = item / PAIRS, pair = item % PAIRS;
        real2 v[NY];
        const long long start = plane_in_memory(layout, first + plane) * (HEIGHT * WIDTH) + cell.row * WIDTH +
                                cell.column + STRIDE_X * 2 * pair;
        const bool here = is_here(layout, first + plane);
        const bool left = here && inside(cell.column, STRIDE_X, 2 * pair, layout.x.size);
        const bool right = here && 2 * pair + 1 < COLUMNS && inside(cell.column, STRIDE_X, 2 * pair + 1, layout.x.size);
#pragma unroll
        for (int n = 0; n < ROWS; ++n) {
            const bool in_row = inside(cell.row, STRIDE_Y, n, layout.y.size);
            v[n] = load_pair(planes, start + STRIDE_Y * n * WIDTH, left && in_row, right && in_row);
        }
        if (RELU) {  // when all is read: a store that might hit what is read next would be waited for
#pragma unroll
            for (int n = 0; n < ROWS; ++n) {
                const bool in_row = inside(cell.row, STRIDE_Y, n, layout.y.size);
                const long long pixel = start + STRIDE_Y * n * WIDTH;
                const real2 mask = load_pair(rectified, pixel, left && in_row, right && in_row);
                v[n] = make_real2(mask.x > 0 ? v[n].x : real(0), mask.y > 0 ? v[n].y : real(0));
                store_pair(masked, pixel, left && in_row, right && in_row, v[n]);
            }
        }
#pragma unroll
        for (int n = 0; n < ROWS; ++n) v[n] = make_real2(real(0.5) * v[n].x, real(0.5) * v[n].y);
        DFT_Y(v);
#pragma unroll
        for (int ky = 0; ky < HALF; ++ky) {
            const real2 a = v[ky], b = v[(NY - ky) % NY];
            half[shared_place(ky, pair, plane)] = {make_real2(a.x + b.x, a.y - b.y), make_real2(a.y + b.y, b.x - a.x)};
        }
    }
    __syncthreads();

    for (int done = 0; done < HALF * PLANES; done += THREADS) {
        const int item = done + threadIdx.x, plane = item % PLANES, ky = line_of(item);
        const bool wanted = item < HALF * PLANES && first + plane < layout.count;
        if (!BF16 && !wanted) continue;
        number line[NX] = {};
        if (!zeros) {
            real2 v[NX];
#pragma unroll
            for (int x = 0; x < COLUMNS; ++x) {
                const Columns columns = half[shared_place(ky, x / 2, plane)];
                const real2 z = x % 2 ? columns.right : columns.left;
                v[x] = CONJUGATE ? make_real2(-z.y, z.x) : z;
            }
            DFT_X(v);
#pragma unroll
            for (int kx = 0; kx < NX; ++kx)  // conj Z has the parts of i Z, swapped
                line[kx] = to_number(CONJUGATE ? make_real2(v[kx].y, v[kx].x) : v[kx]);
            turn_line(line);
        }
        const long long target = first_frequency(ky) * layout.lines + line_of_plane(layout, cell, first + plane);
        const int stored = frequencies_of_row(ky);
#pragma unroll
        for (int kx = 0; kx < NX; ++kx)
            if (wanted && kx < stored) out[target + kx * layout.lines] = line[kx];
    }
}
