/* warpgroup_product: one complex matrix product per frequency, on the tensor cores of sm_90.
   Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
   Input     a    number  [Q][rows][depth], or [Q][depth][rows] with TRANSPOSE_A
             b    number  [Q][depth][columns], or [Q][columns][depth] with TRANSPOSE_B
   Output    out  number  [Q][rows][columns]
   Grid      as many blocks as run at a time     Block  two warpgroups that multiply, one or two that fill the
             memory between
   Shared    sizeof(Shared): STAGES slabs in parts, AHEAD as they are     Requires  sm_90a, the constants ROWS, COLUMNS
             (of a tile), THREADS, STAGES, AHEAD, SHARED_BYTES, TRANSPOSE_A, TRANSPOSE_B, GROUPED_A and GROUPED_B (lines in memory have whole groups), and
             what parts.cuh asks for

   A filling warp copies its share of a slab, so many rows of op(a) and columns of op(b), splits it with a
   scale of its own (parts.cuh), and hands it over; meanwhile the next slabs are on their way. Of b there are three
   planes, -im, re, im: one instruction multiplies re of a by (re, im), the next one im of a by (-im, re).

   With two parts each slab's sums begin anew, with the small terms, and are then added as floats: tensor cores cut off
   where floats round. With one they stay where they are, and a tile has twice the columns; its scales then only fall,
   and where one does the sums follow it. */
#include "complex.cuh"
#include "warpgroup.cuh"

constexpr bool ANEW = PARTS > 1;
constexpr int OCTETS = COLUMNS / 8, OF_GROUP = 128, MULTIPLIERS = 2 * OF_GROUP, FILLERS = THREADS - MULTIPLIERS;
constexpr int FEW = ANEW ? 88 : 104, MANY = ANEW ? 168 : 200; /* registers of threads that fill and that multiply */
constexpr int SHARES = FILLERS / 32, SHARE_ROWS = ROWS / SHARES, SHARE_COLUMNS = COLUMNS / SHARES;

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

/* What goes with a slab: the inverse scale of each warp's share, and how far it has fallen since the slab before. */
struct alignas(16) Scales {
    float a[SHARES], b[SHARES], fall_a[SHARES], fall_b[SHARES];
};

struct Shared {
    alignas(128) char slabs[STAGES][SlabA::BYTES + SlabB::BYTES];
    Group raw_a[AHEAD][SHARES][ReaderA::READS][32], raw_b[AHEAD][SHARES][ReaderB::READS][32]; /* each lane's own */
    Scales scales[STAGES];
    unsigned long long full[STAGES], empty[STAGES];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "SHARED_BYTES");

/* The tiles of this block, one after the other. */
struct Work {
    int rows, columns, depths, down, across, tiles, tile;

    __device__ __forceinline__ int slabs() const { return (depths + DEPTH - 1) / DEPTH; }
    __device__ __forceinline__ int left() const { return tile < tiles ? (tiles - tile + gridDim.x - 1) / gridDim.x : 0; }
    __device__ __forceinline__ int row() const { return tile % down * ROWS; }
    __device__ __forceinline__ int column() const { return tile / down % across * COLUMNS; }
    __device__ __forceinline__ long long q() const { return tile / down / across; }
};

/* Which of the stages is next, and which phase of its barriers. */
struct Turn {
    int stage, phase;

    __device__ __forceinline__ void next() {
        if (++stage == STAGES) stage = 0, phase ^= 1;
    }

    __device__ __forceinline__ int before() const { return stage ? stage - 1 : STAGES - 1; }
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
    __device__ __forceinline__ void read(Shared& shared, int place) {
        if (work.tile < work.tiles) {
            a.read(shared.raw_a[place][warp]);
            b.read(shared.raw_b[place][warp]);
            a.next(), b.next();
            if (++slab == slabs && (work.tile += gridDim.x) < work.tiles) begin();
        }
        end_group();
    }
};

/* (scale, inverse) of a share of a slab, given that of the slab before and this one's largest number. */
__device__ __forceinline__ float2 next_scale(float2 before, unsigned largest, bool first) {
    const float2 own = scale_for(largest);
    return ANEW || first || !(before.x < own.x) ? own : before;
}

__device__ __forceinline__ void fill(Shared& shared, const number* __restrict__ a, const number* __restrict__ b, Work work) {
    const int warp = (threadIdx.x - MULTIPLIERS) / 32, slabs = work.slabs(), count = work.left() * slabs;
    Readers readers = {a, b, work, warp, 0, slabs};
    if (count) readers.begin();
#pragma unroll
    for (int ahead = 0; ahead < AHEAD - 1; ++ahead) readers.read(shared, ahead);
    float2 scale_a = make_float2(1, 1), scale_b = scale_a;
    Turn turn = {0, 1};
    for (int done = 0, slab = 0, used = 0, free = AHEAD - 1; done < count; ++done, turn.next()) {
        readers.read(shared, free);
        wait_for_groups<AHEAD - 1>();
        char* parts = shared.slabs[turn.stage];
        const float2 before_a = scale_a, before_b = scale_b;
        Group of_a[ReaderA::READS], of_b[ReaderB::READS];
        scale_a = next_scale(before_a, ReaderA::take(of_a, shared.raw_a[used][warp]), slab == 0);
        scale_b = next_scale(before_b, ReaderB::take(of_b, shared.raw_b[used][warp]), slab == 0);
        warpgroup::wait(&shared.empty[turn.stage], turn.phase);
        ReaderA::template put<SlabA>(parts, of_a, 0, warp * SHARE_ROWS, scale_a.x);
        ReaderB::template put<SlabB>(parts + SlabA::BYTES, of_b, 1, warp * SHARE_COLUMNS, scale_b.x);
        free = used, used = used + 1 == AHEAD ? 0 : used + 1;
        if (threadIdx.x % 32 == 0) {
            Scales& scales = shared.scales[turn.stage];
            scales.a[warp] = scale_a.y, scales.b[warp] = scale_b.y;
            scales.fall_a[warp] = scale_a.x * before_a.y, scales.fall_b[warp] = scale_b.x * before_b.y;
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

/* Where a scale has fallen, bring the sums to the new one. */
__device__ __forceinline__ void follow(float (&sums)[COLUMNS], const Scales& scales, int share) {
    bool fallen = false; /* one of all shares: a warpgroup has to wait as one */
#pragma unroll
    for (int j = 0; j < SHARES; ++j) fallen |= scales.fall_a[j] != 1 || scales.fall_b[j] != 1;
    if (!fallen) return;
    float factors[SHARES];
    factors_of(factors, scales.fall_a[share], scales.fall_b);
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
            warpgroup::multiply<BF16, TRANSPOSE_A, !TRANSPOSE_B>(
                sums, SlabA::descriptor(slab, p, imaginary, row),
                SlabB::descriptor(slab + SlabA::BYTES, q, 1 - imaginary, 0), more);
            more = true;
        }
    }
    warpgroup::end_group();
}

__device__ __forceinline__ void write(number* out, const float (&sums)[COLUMNS], int row, int column, int rows, int columns) {
#pragma unroll
    for (int j = 0; j < OCTETS; ++j)
#pragma unroll
        for (int k = 0; k < 4; k += 2) {
            const int re = 4 * j + k, im = 4 * OCTETS + re;
            write_pair(out, row + threadIdx.x % 32 / 4 + 4 * k, column + 8 * j + threadIdx.x % 4 * 2, rows, columns,
                       {to_number(sums[re], sums[im]), to_number(sums[re + 1], sums[im + 1])});
        }
}

/* Let the next one fill a stage, once all lanes of this warp are done with it. */
__device__ __forceinline__ void leave(Shared& shared, int stage) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) warpgroup::arrive(&shared.empty[stage]);
}

__device__ __forceinline__ void multiply(Shared& shared, number* __restrict__ out, Work work) {
    const int warp = threadIdx.x / 32, share = warp * 16 / SHARE_ROWS, group_row = threadIdx.x / OF_GROUP * (ROWS / 2);
    const int slabs = work.slabs();
    Turn turn = {0, 0};
    for (; work.tile < work.tiles; work.tile += gridDim.x) {
        float sums[COLUMNS], factors[SHARES];
        if (ANEW)
#pragma unroll
            for (float& sum : sums) sum = 0;
        for (int done = 0; done < slabs; ++done, turn.next()) {
            const Scales& scales = shared.scales[turn.stage];
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
                if (!BF16 && done) follow(sums, scales, share);
                queue(sums, slab, group_row, done > 0);
                warpgroup::wait_for_groups<1>();
                if (done) leave(shared, turn.before());
            }
        }
        if constexpr (!ANEW) {
            warpgroup::wait_for_groups<0>();
            const Scales& scales = shared.scales[turn.before()];
            factors_of(factors, scales.a[share], scales.b);
            leave(shared, turn.before());
#pragma unroll
            for (int i = 0; i < COLUMNS; ++i) sums[i] *= factor_of(factors, i);
        }
        write(out + work.q() * work.rows * work.columns, sums, work.row() + warp * 16, work.column(), work.rows, work.columns);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
warpgroup_product(const number* __restrict__ a, const number* __restrict__ b, number* __restrict__ out, int rows,
                  int columns, int depths, int count) {
    SHARED(float4, memory);
    Shared& shared = *reinterpret_cast<Shared*>(memory);
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; ++stage) {
            warpgroup::begin_barrier(&shared.full[stage], FILLERS / 32);
            warpgroup::begin_barrier(&shared.empty[stage], MULTIPLIERS / 32);
        }
    }
    __syncthreads();
    Work work = {rows, columns, depths, (rows + ROWS - 1) / ROWS, (columns + COLUMNS - 1) / COLUMNS};
    work.tiles = count * work.down * work.across, work.tile = blockIdx.x;
    if (threadIdx.x >= MULTIPLIERS) {
        warpgroup::leave_registers<FEW>();
        fill(shared, a, b, work);
    } else {
        warpgroup::take_registers<MANY>();
        multiply(shared, out, work);
    }
}
