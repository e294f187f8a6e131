/* signal: half spectra -> real planes, cropped to their windows, plus the bias.
   Computes  planes[a][b] = z + bias[b], with RELU max(z + bias[b], 0); with ACCUMULATE planes[a][b] += scale z
             z = inverse DFT of hat[:][(a, tile)][(phase, b)], shifted by (SHIFT_Y, SHIFT_X), cropped to ROWS x COLUMNS
   Input     hat     number  [Q][A T][P B], frequency first, the independent frequencies only; conjugated if CONJUGATE
             bias    real    [B], or null
   Output    planes  real    [A][B][h][w], each sample contiguous; pixels outside the windows keep their values
   Grid      x: groups of PLANES_PER_BLOCK planes, y: tile and phase
   Block     THREADS, each with one line at a time in registers
   Shared    HALF_ROWS * ROW_PITCH * sizeof(Columns): the half spectrum's rows, planes innermost
   Requires  the macros of transform.cuh, SHIFT_Y, SHIFT_X, ACCUMULATE, and PAIRED: two columns can be written as one
             real2; with ACCUMULATE no two windows of one launch may share a pixel */
#include "transform.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM)
signal(const number* __restrict__ hat, real* __restrict__ planes, const real* __restrict__ bias, const real scale,
       const Layout layout) {
    SHARED(Columns, half);
    const Cell cell = cell_of_block(layout, blockIdx.y);
    const int first = blockIdx.x * PLANES_PER_BLOCK;
    if (is_padding(layout, first)) return;

    for (int base = 0; base < HALF_ROWS * PLANES_PER_BLOCK; base += THREADS) {
        const int item = base + threadIdx.x, plane = item % PLANES_PER_BLOCK, ky = row_of(item);
        const bool has_item = item < HALF_ROWS * PLANES_PER_BLOCK && first + plane < layout.count;
        if (!BF16 && !has_item) continue;
        number line[NX];
        const number* from = hat + first_frequency(ky) * layout.lines + line_of_plane(layout, cell, first + plane);
        const int stored = frequencies_of_row(ky);
        // of rows that are their own mirror image one half is stored: X[NX - kx] = conj X[kx]
        const long long back = stored < NX ? -layout.lines : layout.lines;
#pragma unroll
        for (int kx = 0; kx < NX; ++kx) {
            line[kx] = has_item ? *from : number();
            from += kx < NX / 2 ? layout.lines : kx > NX / 2 || NX % 2 == 0 ? back : stored < NX ? 0 : layout.lines;
        }
        swizzle_line(line);
        if (!has_item) continue;
        real2 v[NX];
#pragma unroll
        for (int kx = 0; kx < NX; ++kx) {
            const real2 z = from_number(line[kx]);
            // a DFT with real and imaginary parts swapped before and after is the inverse DFT
            v[kx] = make_real2(kx < stored == CONJUGATE ? -z.y : z.y, z.x);
        }
        DFT_X(v);
#pragma unroll
        for (int pair = 0; pair < PAIRS; ++pair) {
            const real2 a = v[(2 * pair + SHIFT_X) % NX];
            const real2 b = 2 * pair + 1 < COLUMNS ? v[(2 * pair + 1 + SHIFT_X) % NX] : make_real2(0, 0);
            half[shared_offset(ky, pair, plane)] = {make_real2(a.y, a.x), make_real2(b.y, b.x)};
        }
    }
    __syncthreads();

    for (int item = threadIdx.x; item < PLANES_PER_BLOCK * PAIRS; item += THREADS) {
        const int plane = item / PAIRS, pair = item % PAIRS;
        if (!is_valid(layout, first + plane)) continue;
        real2 v[NY];
#pragma unroll
        for (int ky = 0; ky < HALF_ROWS; ++ky) {
            const Columns columns = half[shared_offset(ky, pair, plane)];
            const real2 a = columns.left, b = columns.right;
            // a + i b with its parts swapped; rows that are their own mirror image are real
            if (ky == 0 || 2 * ky == NY) {
                v[ky] = make_real2(b.x, a.x);
            } else {
                v[ky] = make_real2(a.y + b.x, a.x - b.y);
                v[NY - ky] = make_real2(b.x - a.y, a.x + b.y);
            }
        }
        DFT_Y(v);
        const real add = bias ? bias[(first + plane) % layout.maps] : real(0);
        const long long start = plane_in_memory(layout, first + plane) * (HEIGHT * WIDTH) + cell.row * WIDTH +
                                cell.column + STRIDE_X * 2 * pair;
        const bool left = inside(cell.column, STRIDE_X, 2 * pair, layout.x.size);
        const bool right = 2 * pair + 1 < COLUMNS && inside(cell.column, STRIDE_X, 2 * pair + 1, layout.x.size);
        const real size = real(1) / (real(NY) * NX);
#pragma unroll
        for (int n = 0; n < ROWS; ++n) {
            const bool in_row = inside(cell.row, STRIDE_Y, n, layout.y.size);
            const long long pixel = start + STRIDE_Y * n * WIDTH;
            const real2 swapped = v[(n + SHIFT_Y) % NY];
            real2 z = make_real2(swapped.y * size, swapped.x * size);
            if (ACCUMULATE) {
                const real2 before = load_pair(planes, pixel, left && in_row, right && in_row);
                z = make_real2(before.x + scale * z.x, before.y + scale * z.y);
            } else {
                z = make_real2(z.x + add, z.y + add);
            }
            if (RELU) z = make_real2(relu(z.x), relu(z.y));
            store_pair(planes, pixel, left && in_row, right && in_row, z);
        }
    }
}
