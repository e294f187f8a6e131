/* spectrum: real planes -> half spectra, zero padding on the way in.
   Computes  out[q][(a, tile)][(phase, b)] = sum_{y,x} window of plane (a, b) [y][x] exp(-2 pi i (ky y / NY + kx x / NX)),
             conjugated if CONJUGATE; two columns at a time as one complex line along y, then rows of the half spectrum
   Input     planes  real   [A][B][h][w], each sample contiguous
   Output    out     real2  [Q][A T][P B], frequency first, the independent frequencies alone (frequencies.cuh)
   Grid      x: groups of PLANES planes, y: tile and phase     Block  THREADS, each one line in registers
   Shared    HALF * 2 * PAIRS * PITCH * sizeof(real2): the lines of the half spectrum, planes innermost
   Requires  the macros of fourier.cuh, and PAIRED: two columns can be read as one real2 */
#include "fourier.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
spectrum(const real* __restrict__ planes, real2* __restrict__ out, const Layout layout) {
    SHARED(real2, half);
    const Cell cell = cell_of_block(layout, blockIdx.y);
    const int first = blockIdx.x * PLANES;

    for (int item = threadIdx.x; item < PLANES * PAIRS; item += THREADS) {
        const int plane = item / PAIRS, pair = item % PAIRS;
        real2 v[NY];
        const real* source = planes + plane_in_memory(layout, first + plane) * (HEIGHT * WIDTH) + cell.row * WIDTH +
                             cell.column + STRIDE_X * 2 * pair;
        const bool here = first + plane < layout.count;
        const bool left = here && inside(cell.column, STRIDE_X, 2 * pair, layout.x.size);
        const bool right = here && 2 * pair + 1 < COLUMNS && inside(cell.column, STRIDE_X, 2 * pair + 1, layout.x.size);
#pragma unroll
        for (int n = 0; n < ROWS; ++n) {
            const bool in_row = inside(cell.row, STRIDE_Y, n, layout.y.size);
            const real* pixel = source + STRIDE_Y * n * WIDTH;
            if (PAIRED) {
                v[n] = here ? *reinterpret_cast<const real2*>(pixel) : make_real2(0, 0);
            } else {
                v[n].x = left && in_row ? pixel[0] : real(0);
                v[n].y = right && in_row ? pixel[STRIDE_X] : real(0);
            }
        }
        DFT_Y(v);
        real2* target = half + pair * PITCH + plane;
#pragma unroll
        for (int ky = 0; ky < HALF; ++ky) {
            const real2 a = v[ky], b = v[(NY - ky) % NY];
            target[(2 * ky) * PAIRS * PITCH] = make_real2(real(0.5) * (a.x + b.x), real(0.5) * (a.y - b.y));
            target[(2 * ky + 1) * PAIRS * PITCH] = make_real2(real(0.5) * (a.y + b.y), real(0.5) * (b.x - a.x));
        }
    }
    __syncthreads();

    for (int item = threadIdx.x; item < HALF * PLANES; item += THREADS) {
        const int plane = item % PLANES, ky = item / PLANES;
        if (first + plane >= layout.count) continue;
        real2 v[NX];
        const real2* source = half + 2 * ky * PAIRS * PITCH + plane;
#pragma unroll
        for (int x = 0; x < COLUMNS; ++x) v[x] = source[((x & 1) * PAIRS + x / 2) * PITCH];
        DFT_X(v);
        real2* target = out + first_frequency(ky) * layout.lines + line_of_plane(layout, cell, first + plane);
        const int stored = frequencies_of_row(ky);
#pragma unroll
        for (int kx = 0; kx < NX; ++kx)
            if (kx < stored) target[kx * layout.lines] = CONJUGATE ? make_real2(v[kx].x, -v[kx].y) : v[kx];
    }
}
