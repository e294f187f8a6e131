/* Slabs of bf16: copied as they lie in memory, run by run, and multiplied. No thread ever touches a number.

   Of a and b there are two planes, re and im; where a product is to be taken away, the tensor cores turn its sign. */
#pragma once

constexpr int FEW = 88, MANY = 208; /* registers of threads that fill and that multiply */

/* A slab: OUTER rows of op(a), or columns of op(b), in both planes, in pairs of octets (warpgroup.cuh): half a run is one
   line of a pair. */
template <int OUTER, bool DEPTH_INSIDE>
struct Slab {
    static constexpr int PAIR = 256, PLANE = OUTER * DEPTH * 2, BYTES = 2 * PLANE;
    static constexpr int APART = DEPTH_INSIDE ? PAIR : DEPTH / 8 * PAIR, ALONG = DEPTH_INSIDE ? OUTER / 8 * PAIR : PAIR;

    /* Line and place in it: the place along the contraction with DEPTH_INSIDE, else across it. */
    static __device__ __forceinline__ int place(int plane, int line, int at) {
        const int pair = DEPTH_INSIDE ? at / RUN * ALONG + line / 8 * APART : at / RUN * APART + line / 8 * ALONG;
        return plane * PLANE + pair + line % 8 * 32 + (at % RUN / 8 ^ line % 8 / 4) * 16 + at % 8 * 2;
    }

    static __device__ __forceinline__ unsigned long long descriptor(unsigned slab, int plane, int outer, int depth) {
        const int first = DEPTH_INSIDE ? place(plane, outer, depth) : place(plane, depth, outer);
        return warpgroup::descriptor_of_pairs(slab + first, DEPTH_INSIDE, APART, ALONG);
    }
};

typedef Slab<ROWS, !TRANSPOSE_A> SlabA;
typedef Slab<COLUMNS, TRANSPOSE_B> SlabB;

constexpr int HANDS = FILLERS; /* that fill a stage: each thread's copies */

struct Beside {}; /* nothing goes with a slab */

/* What a warp copies of slab after slab of one operand: a run of eight lines at a time, in halves of a plane's part of it.
   Eight lanes copy one plane of four lines, which they write in a row. */
template <int OUTER, bool DEPTH_INSIDE, typename To>
struct Copier {
    static constexpr int DOWN = (DEPTH_INSIDE ? OUTER : DEPTH) / 8, ACROSS = (DEPTH_INSIDE ? DEPTH : OUTER) / RUN;
    static_assert(DOWN % SHARES == 0, "eight lines for each warp");

    const number* here; /* the lane's first half */
    int length;         /* of a line in memory */
    int lines, numbers; /* from there to the end of the operand */

    static __device__ __forceinline__ int line() {
        return (threadIdx.x - MULTIPLIERS) / 32 * 8 + threadIdx.x / 16 % 2 * 4 + threadIdx.x / 2 % 4;
    }
    static __device__ __forceinline__ int plane() { return threadIdx.x / 8 % 2; }
    static __device__ __forceinline__ int at() { return threadIdx.x % 2 * 8; }

    __device__ __forceinline__ void begin(const number* matrix, int first, int outers, int depths) {
        length = DEPTH_INSIDE ? depths : outers;
        const int row = (DEPTH_INSIDE ? first : 0) + line(), column = DEPTH_INSIDE ? 0 : first;
        here = matrix + static_cast<long long>(row) * length + column + RUN / 2 * plane() + at() / 2;
        lines = (DEPTH_INSIDE ? outers : depths) - row, numbers = length - column;
    }

    __device__ __forceinline__ void next() {
        here += DEPTH_INSIDE ? DEPTH : DEPTH * length;
        (DEPTH_INSIDE ? numbers : lines) -= DEPTH;
    }

    __device__ __forceinline__ void copy(char* slab) const {
#pragma unroll
        for (int down = 0; down < DOWN * 8; down += 8 * SHARES)
#pragma unroll
            for (int across = 0; across < ACROSS * RUN; across += RUN)
                copy_ahead<16>(slab + To::place(plane(), line() + down, at() + across), here + down * length + across,
                               lines > down && numbers > across);
    }
};

typedef Copier<ROWS, !TRANSPOSE_A, SlabA> CopierA;
typedef Copier<COLUMNS, TRANSPOSE_B, SlabB> CopierB;

template <typename Shared>
__device__ __forceinline__ void fill(Shared& shared, const number* __restrict__ a, const number* __restrict__ b, Work work) {
    const int slabs = work.slabs();
    CopierA of_a;
    CopierB of_b;
    for (Turn turn = {0, 1}; work.tile < work.tiles; work.tile += gridDim.x) {
        const long long before = work.q() * work.depths;
        of_a.begin(a + before * work.rows, work.row(), work.rows, work.depths);
        of_b.begin(b + before * work.columns, work.column(), work.columns, work.depths);
        for (int done = 0; done < slabs; ++done, turn.next()) {
            warpgroup::wait(&shared.empty[turn.stage], turn.phase);
            of_a.copy(shared.slabs[turn.stage]), of_a.next();
            of_b.copy(shared.slabs[turn.stage] + SlabA::BYTES), of_b.next();
            warpgroup::arrive_with_copies(&shared.full[turn.stage]);
        }
    }
    end_group();
    wait_for_groups<0>();
}

/* Queue the products of a slab. */
__device__ __forceinline__ void queue(float (&sums)[COLUMNS], unsigned slab, int row, bool more) {
    float(&re)[COLUMNS / 2] = *reinterpret_cast<float(*)[COLUMNS / 2]>(&sums[0]);
    float(&im)[COLUMNS / 2] = *reinterpret_cast<float(*)[COLUMNS / 2]>(&sums[COLUMNS / 2]);
    warpgroup::begin();
#pragma unroll
    for (int depth = 0; depth < DEPTH; depth += RUN) {
        unsigned long long a[2], b[2]; /* re and im */
        for (int plane = 0; plane < 2; ++plane) {
            a[plane] = SlabA::descriptor(slab, plane, row, depth);
            b[plane] = SlabB::descriptor(slab + SlabA::BYTES, plane, 0, depth);
        }
        warpgroup::multiply<true, TRANSPOSE_A, !TRANSPOSE_B>(re, a[0], b[0], more);
        warpgroup::multiply<true, TRANSPOSE_A, !TRANSPOSE_B>(im, a[0], b[1], more);
        warpgroup::multiply<true, TRANSPOSE_A, !TRANSPOSE_B, true>(re, a[1], b[1], true);
        warpgroup::multiply<true, TRANSPOSE_A, !TRANSPOSE_B>(im, a[1], b[0], true);
        more = true;
    }
    warpgroup::end_group();
}

template <typename Shared>
__device__ __forceinline__ void multiply_tile(float (&sums)[COLUMNS], Shared& shared, Turn& turn, int slabs) {
    const int row = threadIdx.x / OF_GROUP * (ROWS / 2);
    for (int done = 0; done < slabs; ++done, turn.next()) {
        warpgroup::wait(&shared.full[turn.stage], turn.phase);
        warpgroup::publish();
        queue(sums, warpgroup::shared_address(shared.slabs[turn.stage]), row, done > 0);
        warpgroup::wait_for_groups<1>();
        if (done) leave(shared, turn.before());
    }
    warpgroup::wait_for_groups<0>();
    leave(shared, turn.before());
}
