/* Slabs of bf16: copied as they lie in memory, run by run, and multiplied. No thread ever touches a number.

   Of a and b there are two planes, re and im; where a product is to be taken away, the tensor cores turn its sign. */
#pragma once

constexpr int BLOCK = 16; /* of the contraction, that one instruction multiplies */
constexpr int FEW = 88, MANY = 208; /* registers of threads that fill and that multiply */

/* A slab: OUTER rows of op(a), or columns of op(b), in both planes, in rows of octets (warpgroup.cuh): half a run is a line
   of it. */
template <int OUTER, bool DEPTH_INSIDE>
struct Slab {
    static constexpr int ROW = 8 * 2 * RUN, PLANE = OUTER * DEPTH * 2, BYTES = 2 * PLANE;
    static constexpr int APART = DEPTH_INSIDE ? ROW : DEPTH / 8 * ROW, ALONG = DEPTH_INSIDE ? OUTER / 8 * ROW : ROW;

    /* Line and place in it: the place along the contraction with DEPTH_INSIDE, else across it. */
    static __device__ __forceinline__ int place(int plane, int line, int at) {
        const int row = DEPTH_INSIDE ? at / RUN * ALONG + line / 8 * APART : at / RUN * APART + line / 8 * ALONG;
        return plane * PLANE + row + line % 8 * 2 * RUN + (at % RUN / 8 ^ line % 8 / 2) * 16 + at % 8 * 2;
    }

    static __device__ __forceinline__ unsigned long long descriptor(unsigned slab, int plane, int outer, int depth) {
        const int first = DEPTH_INSIDE ? place(plane, outer, depth) : place(plane, depth, outer);
        return warpgroup::descriptor_of_rows(slab + first, DEPTH_INSIDE, APART, ALONG);
    }
};

typedef Slab<ROWS, !TRANSPOSE_A> SlabA;
typedef Slab<COLUMNS, TRANSPOSE_B> SlabB;

constexpr int HANDS = FILLERS; /* that fill a stage: each thread's copies */

/* In shared memory beside the slabs: a tile on its way out. A row is four banks further on than the one before. */
struct Beside {
    alignas(16) number tile[ROWS][COLUMNS + 4];
};

/* What a warp copies of slab after slab of one operand: a run of four lines at a time, an octet of a part for each lane.
   Eight lanes copy one part of two lines, which they write in a row. */
template <int OUTER, bool DEPTH_INSIDE, typename To>
struct Copier {
    static constexpr int DOWN = DEPTH_INSIDE ? OUTER : DEPTH, ACROSS = DEPTH_INSIDE ? DEPTH : OUTER;
    static constexpr int LINES = 4 * SHARES; /* at a time, of all filling warps */
    static_assert(DOWN % LINES == 0 && LINES % 8 == 0 && ACROSS % RUN == 0, "a slab");

    const number* here; /* the lane's first octet */
    int length;         /* of a line in memory */
    int lines, numbers; /* from there to the end of the operand */

    static __device__ __forceinline__ int line() {
        return (threadIdx.x - MULTIPLIERS) / 32 * 4 + threadIdx.x / 16 % 2 * 2 + threadIdx.x / 4 % 2;
    }
    static __device__ __forceinline__ int plane() { return threadIdx.x / 8 % 2; }
    static __device__ __forceinline__ int at() { return threadIdx.x % 4 * 8; }

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
        for (int down = 0; down < DOWN; down += LINES)
#pragma unroll
            for (int across = 0; across < ACROSS; across += RUN)
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
    for (int depth = 0; depth < DEPTH; depth += BLOCK) {
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

/* A warp writes its rows to shared memory, from where they go to `out` while the next tile is multiplied. */
template <typename Shared>
__device__ __forceinline__ void write_tile(Shared& shared, number* out, const float (&sums)[COLUMNS], const Work& work) {
    const int row = first_row(), lane = threadIdx.x % 32, own = threadIdx.x / 32 * 16 + lane; /* of 16 lanes */
    auto& tile = shared.beside.tile;
    warpgroup::wait_for_copies_out();
    __syncwarp();
#pragma unroll
    for (int j = 0; j < OCTETS; ++j)
#pragma unroll
        for (int k = 0; k < 4; k += 2) {
            const int re = 4 * j + k, im = 4 * OCTETS + re;
            number* to = &tile[row + 4 * k][8 * j / RUN * RUN + 8 * j % RUN / 2 + lane % 4];
            to[0] = to_bf16s(sums[re], sums[re + 1]), to[RUN / 2] = to_bf16s(sums[im], sums[im + 1]);
        }
    warpgroup::publish();
    __syncwarp();
    const int columns = work.columns - work.column() < COLUMNS ? work.columns - work.column() : COLUMNS;
    if (lane < 16 && work.row() + own < work.rows)
        warpgroup::copy_out(out + static_cast<long long>(work.row() + own) * work.columns + work.column(), tile[own],
                            columns * sizeof(number));
}

/* Shared memory has to stay until all has left it. */
__device__ __forceinline__ void end_writing() { warpgroup::wait_for_copies_out(); }
