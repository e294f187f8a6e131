/* Slabs of floats: split into parts on their way, and multiplied.

   A filling warp copies its share of a slab, so many rows of op(a) and columns of op(b), splits it with a scale of its own
   (parts.cuh), and hands it over; meanwhile the next slabs are on their way. Of b there are three planes, -im, re, im: one
   instruction multiplies re of a by (re, im), the next one im of a by (-im, re).

   The copies are each lane's own: boxes in bulk, of a warp's share or of a slab, came later to the warps that split them, and
   there are none of lines that are no whole 16 bytes, as those of 3 maps.

   With two parts each slab's sums begin anew, with the small terms, and are then added as floats: tensor cores cut off
   where floats round. With one they stay where they are, and a tile has twice the columns; its scales then move as
   little as they can, and where one does the sums follow it. */
#pragma once

constexpr bool ANEW = PARTS > 1;
constexpr int SHARE_ROWS = ROWS / SHARES, SHARE_COLUMNS = COLUMNS / SHARES;
constexpr int FEW = ANEW ? 88 : 120, MANY = ANEW ? 168 : 192; /* registers of threads that fill and that multiply */

/* A slab in parts: OUTER rows of op(a), or columns of op(b), PLANES of them for each part, in octets (warpgroup.cuh). */
template <int OUTER, int PLANES, bool DEPTH_INSIDE>
struct Slab {
    /* apart so that what a warp writes at once falls on different banks */
    static constexpr int SHARE = OUTER / SHARES / 8, ACROSS = DEPTH_INSIDE || SHARE == 1 ? 128 : 128 + 128 / SHARE;
    static constexpr int PLANE = OUTER / 8 * ACROSS, ALONG = PLANES * PLANE + (DEPTH_INSIDE ? 64 : 0);
    static constexpr int PART = DEPTH / 8 * ALONG, BYTES = PARTS * PART;

    static __device__ __forceinline__ int place(int part, int plane, int outer, int depth) {
        const int inside = DEPTH_INSIDE ? outer % 8 * 16 + depth % 8 * 2 : depth % 8 * 16 + outer % 8 * 2;
        return part * PART + depth / 8 * ALONG + plane * PLANE + outer / 8 * ACROSS + inside;
    }

    static __device__ __forceinline__ unsigned long long descriptor(unsigned slab, int part, int plane, int outer) {
        return warpgroup::descriptor(slab + place(part, plane, outer, 0), ALONG, ACROSS);
    }
};

typedef Slab<ROWS, 2, !TRANSPOSE_A> SlabA;
typedef Slab<COLUMNS, 3, TRANSPOSE_B> SlabB;

/* What a warp reads of slab after slab of one operand: group i of a lane lies LINES lines behind the one before. */
template <int OUTER, bool DEPTH_INSIDE, bool GROUPED>
struct Reader {
    static constexpr int GROUPS = (DEPTH_INSIDE ? DEPTH : OUTER) / GROUP, LINES = 32 / GROUPS;
    static constexpr int READS = OUTER * DEPTH / GROUP / 32;

    const number* here; /* the lane's first group */
    int length;         /* of a line in memory */
    int across, along;  /* numbers from there to the end of the operand, across the contraction and along it */

    static __device__ __forceinline__ int line() { return threadIdx.x % 32 / GROUPS; }
    static __device__ __forceinline__ int at() { return threadIdx.x % GROUPS * GROUP; }
    static __device__ __forceinline__ int outer(int i) { return DEPTH_INSIDE ? line() + i * LINES : at(); }
    static __device__ __forceinline__ int depth(int i) { return DEPTH_INSIDE ? at() : line() + i * LINES; }

    __device__ __forceinline__ void begin(const number* matrix, int first, int outers, int depths) {
        length = DEPTH_INSIDE ? depths : outers;
        const int row = (DEPTH_INSIDE ? first : 0) + line(), column = (DEPTH_INSIDE ? 0 : first) + at();
        here = matrix + static_cast<long long>(row) * length + column;
        across = outers - first - outer(0), along = depths - depth(0);
    }

    __device__ __forceinline__ void next() {
        here += DEPTH_INSIDE ? DEPTH : DEPTH * length;
        along -= DEPTH;
    }

    /* Begin to copy the lane's groups of a slab. */
    __device__ __forceinline__ void read(Group (&raw)[READS][32]) const {
        const int lines = DEPTH_INSIDE ? across : along, numbers = DEPTH_INSIDE ? along : across;
#pragma unroll
        for (int i = 0; i < READS; ++i) {
            const number* from = here + i * LINES * length;
            Group& to = raw[i][threadIdx.x % 32];
            if (GROUPED) {
                copy_ahead<sizeof(Group)>(&to, from, lines > i * LINES && numbers > 0);
            } else {
#pragma unroll
                for (int j = 0; j < GROUP; ++j)
                    copy_ahead<sizeof(number)>(&to.of[j], from + j, lines > i * LINES && numbers > j);
            }
        }
    }

    /* Take what has been copied into registers; returns the bits of the warp's largest number. */
    static __device__ __forceinline__ unsigned take(Group (&groups)[READS], const Group (&raw)[READS][32]) {
        float largest = 0;
#pragma unroll
        for (int i = 0; i < READS; ++i) {
            groups[i] = raw[i][threadIdx.x % 32];
            largest = fmaxf(largest, most(groups[i]));
        }
        return most_of_warp(__float_as_uint(largest));
    }

    /* Write the groups in parts: re at plane `re`, im at the next one, and -im at the one before if there is one. */
    template <typename To>
    static __device__ __forceinline__ void put(char* slab, const Group (&groups)[READS], int re, int first, float scale) {
#pragma unroll
        for (int i = 0; i < READS; ++i) {
            const Split found = split(groups[i], scale);
            char* to = slab + To::place(0, re, first + outer(i), depth(i));
#pragma unroll
            for (int part = 0; part < PARTS; ++part, to += To::PART) {
                *reinterpret_cast<Halves*>(to) = found.of[0][part];
                *reinterpret_cast<Halves*>(to + To::PLANE) = found.of[1][part];
                if (re) *reinterpret_cast<Halves*>(to - To::PLANE) = negative(found.of[1][part]);
            }
        }
    }
};

typedef Reader<SHARE_ROWS, !TRANSPOSE_A, GROUPED_A> ReaderA;
typedef Reader<SHARE_COLUMNS, TRANSPOSE_B, GROUPED_B> ReaderB;

constexpr int HANDS = SHARES; /* that fill a stage: each warp */

/* What goes with a slab: the inverse scale of each warp's share, and what it was multiplied by since the slab before. */
struct alignas(16) Scales {
    float a[SHARES], b[SHARES], moved_a[SHARES], moved_b[SHARES];
};

/* In shared memory beside the slabs: those that are on their way, each lane's own, and what goes with them. */
struct Beside {
    Group raw_a[AHEAD][SHARES][ReaderA::READS][32], raw_b[AHEAD][SHARES][ReaderB::READS][32];
    Scales scales[STAGES];
};

/* Both readers, from the first slab of a tile to its last one, then at the next tile. */
struct Readers {
    const number *matrices_a, *matrices_b;
    Work work;
    int warp, slab, slabs;
    ReaderA a;
    ReaderB b;

    __device__ __forceinline__ void begin() {
        const long long before = work.q() * work.depths;
        a.begin(matrices_a + before * work.rows, work.row() + warp * SHARE_ROWS, work.rows, work.depths);
        b.begin(matrices_b + before * work.columns, work.column() + warp * SHARE_COLUMNS, work.columns, work.depths);
        slab = 0;
    }

    /* Begin to copy a slab, if there is one left. */
    __device__ __forceinline__ void read(Beside& beside, int place) {
        if (work.tile < work.tiles) {
            a.read(beside.raw_a[place][warp]);
            b.read(beside.raw_b[place][warp]);
            a.next(), b.next();
            if (++slab == slabs && (work.tile += gridDim.x) < work.tiles) begin();
        }
        end_group();
    }
};

template <typename Shared>
__device__ __forceinline__ void fill(Shared& shared, const number* __restrict__ a, const number* __restrict__ b, Work work) {
    const int warp = (threadIdx.x - MULTIPLIERS) / 32, slabs = work.slabs(), count = work.left() * slabs;
    Beside& beside = shared.beside;
    Readers readers = {a, b, work, warp, 0, slabs};
    if (count) readers.begin();
#pragma unroll
    for (int ahead = 0; ahead < AHEAD - 1; ++ahead) readers.read(beside, ahead);
    Scale scale_a = {1, 1, 1}, scale_b = scale_a;
    Turn turn = {0, 1};
    for (int done = 0, slab = 0, used = 0, free = AHEAD - 1; done < count; ++done, turn.next()) {
        readers.read(beside, free);
        wait_for_groups<AHEAD - 1>();
        char* parts = shared.slabs[turn.stage];
        Group of_a[ReaderA::READS], of_b[ReaderB::READS];
        const float moved_a = scale_a.next(ReaderA::take(of_a, beside.raw_a[used][warp]), ANEW || slab == 0);
        const float moved_b = scale_b.next(ReaderB::take(of_b, beside.raw_b[used][warp]), ANEW || slab == 0);
        warpgroup::wait(&shared.empty[turn.stage], turn.phase);
        ReaderA::template put<SlabA>(parts, of_a, 0, warp * SHARE_ROWS, scale_a.now);
        ReaderB::template put<SlabB>(parts + SlabA::BYTES, of_b, 1, warp * SHARE_COLUMNS, scale_b.now);
        free = used, used = used + 1 == AHEAD ? 0 : used + 1;
        if (threadIdx.x % 32 == 0) {
            Scales& scales = beside.scales[turn.stage];
            scales.a[warp] = scale_a.inverse, scales.b[warp] = scale_b.inverse;
            scales.moved_a[warp] = moved_a, scales.moved_b[warp] = moved_b;
        }
        warpgroup::publish();
        __syncwarp();
        if (threadIdx.x % 32 == 0) warpgroup::arrive(&shared.full[turn.stage]);
        if (++slab == slabs) slab = 0;
    }
}

/* factors[j] = of_a of_b[j]: what a warp's sums of one of `b`'s shares are to be multiplied by. */
__device__ __forceinline__ void factors_of(float (&factors)[SHARES], float of_a, const float (&of_b)[SHARES]) {
#pragma unroll
    for (int j = 0; j < SHARES; ++j) factors[j] = of_a * of_b[j];
}

__device__ __forceinline__ float factor_of(const float (&factors)[SHARES], int sum) {
    return factors[sum % (4 * OCTETS) / 4 * SHARES / OCTETS];
}

/* Where a scale has moved, bring the sums to the new one. */
__device__ __forceinline__ void follow(float (&sums)[COLUMNS], const Scales& scales, int share) {
    bool moved = false; /* one of all shares: a warpgroup has to wait as one */
#pragma unroll
    for (int j = 0; j < SHARES; ++j) moved |= scales.moved_a[j] != 1 || scales.moved_b[j] != 1;
    if (!moved) return;
    float factors[SHARES];
    factors_of(factors, scales.moved_a[share], scales.moved_b);
    warpgroup::wait_for_groups<0>();
#pragma unroll
    for (int i = 0; i < COLUMNS; ++i) sums[i] *= factor_of(factors, i);
}

/* Queue the products of a slab, small terms first. */
__device__ __forceinline__ void queue(float (&sums)[COLUMNS], unsigned slab, int row, bool more) {
    warpgroup::begin();
#pragma unroll
    for (int term = ANEW ? 0 : 2; term < 3; ++term) { /* low high, high low, high high */
        const int p = term == 0 ? PARTS - 1 : 0, q = term == 1 ? PARTS - 1 : 0;
#pragma unroll
        for (int imaginary = 0; imaginary < 2; ++imaginary) {
            warpgroup::multiply<false, TRANSPOSE_A, !TRANSPOSE_B>(
                sums, SlabA::descriptor(slab, p, imaginary, row),
                SlabB::descriptor(slab + SlabA::BYTES, q, 1 - imaginary, 0), more);
            more = true;
        }
    }
    warpgroup::end_group();
}

template <typename Shared>
__device__ __forceinline__ void multiply_tile(float (&sums)[COLUMNS], Shared& shared, Turn& turn, int slabs) {
    const int share = threadIdx.x / 32 * 16 / SHARE_ROWS, group_row = threadIdx.x / OF_GROUP * (ROWS / 2);
    float factors[SHARES];
    if (ANEW)
#pragma unroll
        for (float& sum : sums) sum = 0;
    for (int done = 0; done < slabs; ++done, turn.next()) {
        const Scales& scales = shared.beside.scales[turn.stage];
        const unsigned slab = warpgroup::shared_address(shared.slabs[turn.stage]);
        warpgroup::wait(&shared.full[turn.stage], turn.phase);
        if constexpr (ANEW) {
            float of_slab[COLUMNS];
            queue(of_slab, slab, group_row, false);
            warpgroup::wait_for_groups<0>();
            factors_of(factors, scales.a[share], scales.b);
            leave(shared, turn.stage);
#pragma unroll
            for (int i = 0; i < COLUMNS; ++i) sums[i] += factor_of(factors, i) * of_slab[i];
        } else {
            if (done) follow(sums, scales, share);
            queue(sums, slab, group_row, done > 0);
            warpgroup::wait_for_groups<1>();
            if (done) leave(shared, turn.before());
        }
    }
    if constexpr (!ANEW) {
        warpgroup::wait_for_groups<0>();
        const Scales& scales = shared.beside.scales[turn.before()];
        factors_of(factors, scales.a[share], scales.b);
        leave(shared, turn.before());
#pragma unroll
        for (int i = 0; i < COLUMNS; ++i) sums[i] *= factor_of(factors, i);
    }
}

template <typename Shared>
__device__ __forceinline__ void write_tile(Shared&, number* out, const float (&sums)[COLUMNS], const Work& work) {
    const int row = work.row() + first_row(), column = work.column() + threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < OCTETS; ++j)
#pragma unroll
        for (int k = 0; k < 4; k += 2) {
            const int re = 4 * j + k, im = 4 * OCTETS + re;
            write_pair(out, row + 4 * k, column + 8 * j, work.rows, work.columns, {sums[re], sums[im]},
                       {sums[re + 1], sums[im + 1]});
        }
}

__device__ __forceinline__ void end_writing() {}
