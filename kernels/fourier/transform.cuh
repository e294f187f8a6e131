/* Shared by spectrum.cu and signal.cu: where a window lies on a plane, where a line of the spectrum is stored, the
   type of stored numbers, and the layout of shared memory between the two steps of a transform.

   Of a real plane's spectrum only rows ky <= NY / 2 are stored. Of the rows that are their own mirror image (ky = 0,
   and NY / 2 if NY is even) only kx <= NX / 2 are stored. They lie in the order of ky, then kx;
   tinyfft/fourier/frequencies.py counts them. */
#pragma once
#include "bf16_blocks.cuh"

/* Macros of both kernels: NY, NX (lengths), ROWS, COLUMNS (window), HEIGHT, WIDTH (plane in memory), STRIDE_Y,
   STRIDE_X, CLIPPED (a window may reach beyond its plane), PLANES_PER_BLOCK (a power of two), ROW_PITCH, PAIRS_PER_GAP,
   GAP (shared_offset), THREADS, BLOCKS_PER_SM, CONJUGATE, BF16, RELU, DFT_Y and DFT_X (codelets). Types: real, real2,
   and number, of a stored spectrum. */
#define HALF_ROWS (NY / 2 + 1)
#define PAIRS ((COLUMNS + 1) / 2)

/* One axis of axis.Window: point n of tile t and phase r is row STRIDE (start + t hop + n) + r - lead. A launch takes
   `launched` tiles: first, first + every, ... */
struct AxisLayout {
    int size, start, hop, lead, tiles, phases, first, every, launched;
};

struct Layout {
    int count, maps;               /* planes, and maps a sample: count = samples maps; maps in whole bf16 blocks */
    int valid_samples, valid_maps; /* planes beyond these are padding: zero */
    int pitch;                     /* planes in memory from one sample to the next: at least maps */
    long long lines;               /* numbers of one frequency: samples tiles phases maps */
    AxisLayout y, x;
};

/* The tile and phase of a block, and the first pixel of the window, which may lie outside the plane. */
struct Cell {
    int tile, phase, row, column;
};

DEVICE int first_pixel(const AxisLayout& a, int stride, int tile, int phase) {
    return stride * (a.start + tile * a.hop) + phase - a.lead;
}

/* A launch over whole planes has only index 0. Here as below a uniform branch skips divisions that are not needed: one
   division takes as long as a tenth of a line's transform. */
DEVICE Cell cell_of_block(const Layout& l, int index) {
    int rx = 0, ry = 0, tx = l.x.first, ty = l.y.first;
    if (index) {
        rx = index % l.x.phases, ry = index / l.x.phases % l.y.phases;
        const int launched = index / (l.x.phases * l.y.phases);
        tx += launched % l.x.launched * l.x.every, ty += launched / l.x.launched * l.y.every;
    }
    return {ty * l.x.tiles + tx, ry * l.x.phases + rx, first_pixel(l.y, STRIDE_Y, ty, ry),
            first_pixel(l.x, STRIDE_X, tx, rx)};
}

/* Whether row or column i of a window that begins at pixel `start` lies on the plane. */
DEVICE bool inside(int start, int stride, int i, int size) {
    return !CLIPPED || (0 <= start + stride * i && start + stride * i < size);
}

/* Load two neighbouring columns of a plane, zero where the flag is false. With PAIRED both flags are equal. */
DEVICE real2 load_pair(const real* planes, long long pixel, bool left, bool right) {
    if (PAIRED) return left ? *reinterpret_cast<const real2*>(planes + pixel) : make_real2(0, 0);
    return make_real2(left ? planes[pixel] : real(0), right ? planes[pixel + STRIDE_X] : real(0));
}

DEVICE void store_pair(real* planes, long long pixel, bool left, bool right, real2 z) {
    if (PAIRED) {
        if (left) *reinterpret_cast<real2*>(planes + pixel) = z;
    } else {
        if (left) planes[pixel] = z.x;
        if (right) planes[pixel + STRIDE_X] = z.y;
    }
}

DEVICE bool is_valid(const Layout& l, int plane) {
    if (l.valid_maps == l.maps) return plane < l.valid_samples * l.maps;
    return plane / l.maps < l.valid_samples && plane % l.maps < l.valid_maps;
}

/* Whether a block holds only padding. Its first plane decides: a bf16 block is a whole number of thread blocks. */
DEVICE bool is_padding(const Layout& l, int first) {
    static_assert(!BF16 || BF16_BLOCK % PLANES_PER_BLOCK == 0, "a bf16 block must be a whole number of thread blocks");
    return BF16 && !is_valid(l, first);
}

/* The offset of a plane in memory, in planes. */
DEVICE long long plane_in_memory(const Layout& l, int plane) {
    if (l.pitch == l.maps) return plane;
    return (long long)(plane / l.maps) * l.pitch + plane % l.maps;
}

/* The offset of plane (a, b), with BF16 of its lane's word, among the numbers of a frequency: [A][tiles][phases][B]. */
DEVICE long long line_of_plane(const Layout& l, const Cell& cell, int plane) {
    const int tiles = l.y.tiles * l.x.tiles, phases = l.y.phases * l.x.phases;
    long long line = plane;
    if (tiles * phases > 1) {
        const int sample = plane / l.maps, map = plane % l.maps;
        line = ((long long)(sample * tiles + cell.tile) * phases + cell.phase) * l.maps + map;
    }
    return BF16 ? word_offset(line) : line;
}

/* The row of the half spectrum that a thread's item is about, along x. With BF16 a lane without an item takes row 0: it
   must take part in the exchange with its neighbour. */
DEVICE int row_of(int item) {
    return item < HALF_ROWS * PLANES_PER_BLOCK ? item / PLANES_PER_BLOCK : 0;
}

DEVICE int frequencies_of_row(int ky) { return ky == 0 || 2 * ky == NY ? NX / 2 + 1 : NX; }

DEVICE long long first_frequency(int ky) { return ky == 0 ? 0 : NX / 2 + 1 + (ky - 1) * NX; }

/* What shared memory holds for a row of the half spectrum and a pair of columns. */
struct alignas(16) Columns {
    real2 left, right;
};

/* The offset in shared memory, planes innermost. In the step along y neighbouring threads take neighbouring pairs, in
   the step along x neighbouring planes, then rows. Gaps between pairs and between rows avoid most bank conflicts of
   both (FourierKernel.gaps in tinyfft/fourier/gpu/kernel.py). */
DEVICE int shared_offset(int ky, int pair, int plane) {
    return ROW_PITCH * ky + PLANES_PER_BLOCK * pair + pair / PAIRS_PER_GAP * GAP + plane;
}

#if BF16
DEVICE number to_number(real2 z) { return to_bf16x2(z.x, z.y); }
DEVICE real2 from_number(number x) { return from_bf16x2(x); }
#else
DEVICE number to_number(real2 z) { return z; }
DEVICE real2 from_number(number x) { return x; }
#endif

/* With BF16 exchange a line's numbers for the words that memory holds, or back. All lanes of the warp must call it. */
DEVICE void swizzle_line(number (&line)[NX]) {
#if BF16
#pragma unroll
    for (int k = 0; k + 1 < NX; k += 2) exchange(line[k], line[k + 1]);
    number unused = 0;
    if (NX % 2) exchange(line[NX - 1], unused);
#endif
}
