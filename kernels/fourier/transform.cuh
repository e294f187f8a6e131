/* What spectrum.cu and signal.cu share: where a window lies on a plane, where a line of the spectrum is stored, in which
   numbers, and how lines lie in shared memory between the two steps of a transform.

   Of a real plane's spectrum only rows ky <= NY / 2 are stored, and of the rows that are their own mirror image (ky = 0,
   and NY / 2 if NY is even) only kx <= NX / 2: (NY NX + c) / 2 frequencies, c = (2 - NY mod 2) (2 - NX mod 2). They lie
   in the order of ky, then kx.

   What limits N = 64 and 72 is probably the length of runs: a frequency's numbers of PLANES planes lie together, and with
   8 planes the L2 cache gets twice as many requests as with 16; it is the busiest unit there. Compared in one run on an
   H100, slower: to fetch the next block's planes into L2 ahead (up to 20 % at 512 MiB), and to stage spectra in shared
   memory with copies of 16 bytes (fp32 up to 25 %, though BF16 gains 5 to 15 %). Without gain in runs of their own: rows
   0 and NY / 2 as one complex line, and a loop over groups of planes with asynchronous copies, whose registers spill. */
#pragma once
#include "bf16_blocks.cuh"

#define HALF (NY / 2 + 1)
#define PAIRS ((COLUMNS + 1) / 2)

/* Macros of every kernel here: NY, NX (lengths), ROWS, COLUMNS (window), HEIGHT, WIDTH (plane in memory), STRIDE_Y,
   STRIDE_X, CUT (a window may reach beyond its plane), PLANES (of a block: a power of two), ROW_PITCH, GAP_EVERY, GAP
   (shared_place), THREADS, BLOCKS (that share a multiprocessor), CONJUGATE, BF16, RELU, DFT_Y and DFT_X; the types real,
   real2 and number (of a stored spectrum). */

/* One axis of axis.Window: point n of tile t and phase r is row STRIDE (start + t step + n) + r - lead. A launch takes
   the tiles first, first + every, ...: `launched` of them. */
struct AxisLayout {
    int size, start, step, lead, tiles, phases, first, every, launched;
};

struct Layout {
    int count, maps; /* planes, and maps a sample: planes = samples * maps; with BF16 whole runs of maps */
    int samples_here, maps_here; /* of them those that there are: the others are zero */
    int pitch; /* planes in memory from one sample to the next: maps, or more where these are some of its maps */
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

/* `index` is nothing but 0 in a launch over whole planes. Here as below, divisions are left out where all threads can do
   without: one takes as long as a tenth of a line's transform. */
__device__ __forceinline__ Cell cell_of_block(const Layout& l, int index) {
    int rx = 0, ry = 0, tx = l.x.first, ty = l.y.first;
    if (index) {
        rx = index % l.x.phases, ry = index / l.x.phases % l.y.phases;
        const int launched = index / (l.x.phases * l.y.phases);
        tx += launched % l.x.launched * l.x.every, ty += launched / l.x.launched * l.y.every;
    }
    return {ty * l.x.tiles + tx, ry * l.x.phases + rx, first_pixel(l.y, STRIDE_Y, ty, ry),
            first_pixel(l.x, STRIDE_X, tx, rx)};
}

/* Whether row or column i of a window, which begins with pixel `start`, is one of the plane's. */
__device__ __forceinline__ bool inside(int start, int stride, int i, int size) {
    return !CUT || (0 <= start + stride * i && start + stride * i < size);
}

/* Two neighbouring columns of a plane, zero where they are not wanted; written likewise. PAIRED: always both or none. */
__device__ __forceinline__ real2 load_pair(const real* planes, long long pixel, bool left, bool right) {
    if (PAIRED) return left ? *reinterpret_cast<const real2*>(planes + pixel) : make_real2(0, 0);
    return make_real2(left ? planes[pixel] : real(0), right ? planes[pixel + STRIDE_X] : real(0));
}

__device__ __forceinline__ void store_pair(real* planes, long long pixel, bool left, bool right, real2 z) {
    if (PAIRED) {
        if (left) *reinterpret_cast<real2*>(planes + pixel) = z;
    } else {
        if (left) planes[pixel] = z.x;
        if (right) planes[pixel + STRIDE_X] = z.y;
    }
}

/* Whether there is such a plane. */
__device__ __forceinline__ bool is_here(const Layout& l, int plane) {
    if (l.maps_here == l.maps) return plane < l.samples_here * l.maps;
    return plane / l.maps < l.samples_here && plane % l.maps < l.maps_here;
}

/* Whether a block's planes but fill up a run: all of them or none. */
__device__ __forceinline__ bool fills_up(const Layout& l, int first) {
    static_assert(!BF16 || RUN % PLANES == 0, "a run has whole blocks");
    return BF16 && !is_here(l, first);
}

/* Where a plane begins in memory, in planes. */
__device__ __forceinline__ long long plane_in_memory(const Layout& l, int plane) {
    if (l.pitch == l.maps) return plane;
    return (long long)(plane / l.maps) * l.pitch + plane % l.maps;
}

/* Where plane (a, b), or its lane's word, lies among the lines of a frequency: [A][tiles][phases][B]. */
__device__ __forceinline__ long long line_of_plane(const Layout& l, const Cell& cell, int plane) {
    const int tiles = l.y.tiles * l.x.tiles, phases = l.y.phases * l.x.phases;
    long long line = plane;
    if (tiles * phases > 1) {
        const int sample = plane / l.maps, map = plane % l.maps;
        line = ((long long)(sample * tiles + cell.tile) * phases + cell.phase) * l.maps + map;
    }
    return BF16 ? place_of_word(line) : line;
}

/* The line of the half spectrum that an item of the second step of `spectrum`, the first one of `signal`, is about. With
   BF16 lanes without one come along, as others need them. */
__device__ __forceinline__ int line_of(int item) { return item < HALF * PLANES ? item / PLANES : 0; }

__device__ __forceinline__ int frequencies_of_row(int ky) { return ky == 0 || 2 * ky == NY ? NX / 2 + 1 : NX; }

__device__ __forceinline__ long long first_frequency(int ky) { return ky == 0 ? 0 : NX / 2 + 1 + (ky - 1) * NX; }

/* A row of the half spectrum in shared memory: of each pair of columns the numbers of both. */
struct alignas(16) Columns {
    real2 left, right;
};

/* Where those of a pair lie, planes innermost. Threads of the first step of `spectrum` are neighbours by pair, those of
   the second by plane, then ky: gaps between pairs and between rows (Specialisation.gaps) keep most of both off each
   other's banks. */
__device__ __forceinline__ int shared_place(int ky, int pair, int plane) {
    return ROW_PITCH * ky + PLANES * pair + pair / GAP_EVERY * GAP + plane;
}

#if BF16
__device__ __forceinline__ number to_number(real2 z) { return to_bf16s(z.x, z.y); }
__device__ __forceinline__ real2 from_number(number x) { return from_bf16s(x); }
#else
__device__ __forceinline__ number to_number(real2 z) { return z; }
__device__ __forceinline__ real2 from_number(number x) { return x; }
#endif

/* A line of numbers as memory has them, or back; with BF16 all lanes of a warp come together for it. */
__device__ __forceinline__ void turn_line(number (&line)[NX]) {
#if BF16
#pragma unroll
    for (int k = 0; k + 1 < NX; k += 2) turn(line[k], line[k + 1]);
    number none = 0;
    if (NX % 2) turn(line[NX - 1], none);
#endif
}
