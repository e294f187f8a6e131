/* What spectrum.cu and signal.cu share: where a window lies on a plane, and where a line of the spectrum is stored.

   Of a real plane's spectrum only rows ky <= NY / 2 are stored, and of the rows that are their own mirror image (ky = 0,
   and NY / 2 if NY is even) only kx <= NX / 2: (NY NX + c) / 2 frequencies, c = (2 - NY mod 2) (2 - NX mod 2). They lie
   in the order of ky, then kx. */
#pragma once
#ifndef SHARED
#define SHARED(type, name) extern __shared__ type name[]
#endif

#define HALF (NY / 2 + 1)
#define PAIRS ((COLUMNS + 1) / 2)
#define PITCH (PLANES | 1) /* odd, so that neighbouring columns lie in different banks */

/* Macros of every kernel here: NY, NX (lengths), ROWS, COLUMNS (window), HEIGHT, WIDTH (plane in memory), STRIDE_Y,
   STRIDE_X, CUT (a window may reach beyond its plane), PLANES and THREADS (of a block), BLOCKS
   (that share a multiprocessor), CONJUGATE, DFT_Y and DFT_X. */

/* One axis of axis.Window: point n of tile t and phase r is row STRIDE (start + t step + n) + r - lead. A launch takes
   the tiles first, first + every, ...: `launched` of them. */
struct AxisLayout {
    int size, start, step, lead, tiles, phases, first, every, launched;
};

struct Layout {
    int count, maps; /* planes, and maps a sample: planes = samples * maps */
    int pitch;       /* planes in memory from one sample to the next: maps, or more where these are some of its maps */
    long long lines; /* of one frequency: samples * tiles * phases * maps */
    AxisLayout y, x;
};

/* The tile and phase of a block, and the pixel that its window begins with (it may lie outside). */
struct Cell {
    int tile, phase, row, column;
};

__device__ __forceinline__ int first_pixel(const AxisLayout& a, int stride, int tile, int phase) {
    return stride * (a.start + tile * a.step) + phase - a.lead;
}

__device__ __forceinline__ Cell cell_of_block(const Layout& l, int index) {
    const int rx = index % l.x.phases, ry = index / l.x.phases % l.y.phases;
    const int launched = index / (l.x.phases * l.y.phases);
    const int tx = l.x.first + launched % l.x.launched * l.x.every, ty = l.y.first + launched / l.x.launched * l.y.every;
    return {ty * l.x.tiles + tx, ry * l.x.phases + rx, first_pixel(l.y, STRIDE_Y, ty, ry),
            first_pixel(l.x, STRIDE_X, tx, rx)};
}

/* Whether row or column i of a window, which begins with pixel `start`, is one of the plane's. */
__device__ __forceinline__ bool inside(int start, int stride, int i, int size) {
    return !CUT || (0 <= start + stride * i && start + stride * i < size);
}

/* Where a plane begins in memory, in planes. */
__device__ __forceinline__ long long plane_in_memory(const Layout& l, int plane) {
    return (long long)(plane / l.maps) * l.pitch + plane % l.maps;
}

/* Where plane (a, b) lies among the lines of a frequency: [A][tiles][phases][B]. */
__device__ __forceinline__ long long line_of_plane(const Layout& l, const Cell& cell, int plane) {
    const int sample = plane / l.maps, map = plane % l.maps;
    const int tiles = l.y.tiles * l.x.tiles, phases = l.y.phases * l.x.phases;
    return ((long long)(sample * tiles + cell.tile) * phases + cell.phase) * l.maps + map;
}

__device__ __forceinline__ int frequencies_of_row(int ky) { return ky == 0 || 2 * ky == NY ? NX / 2 + 1 : NX; }

__device__ __forceinline__ long long first_frequency(int ky) { return ky == 0 ? 0 : NX / 2 + 1 + (ky - 1) * NX; }
