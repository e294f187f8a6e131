/* Slabs of bf16: copied as they lie in memory, one bulk copy each, and multiplied. No thread ever touches a number.

   Of a and b there are two planes, re and im; where a product is to be taken away, the tensor cores turn its sign. */
#pragma once

constexpr int BLOCK = 16; /* of the contraction, that one instruction multiplies */
constexpr int FEW = 40, MANY = 208; /* registers of threads that fill and that multiply */

/* A slab: OUTER rows of op(a), or columns of op(b), in both planes, in rows of octets (warpgroup.cuh): half a run is a line
   of it. */
template <int OUTER, bool DEPTH_INSIDE>
struct Slab {
    static constexpr int ROW = 8 * 2 * BF16_BLOCK, PLANE = OUTER * DEPTH * 2, BYTES = 2 * PLANE;
    static constexpr int APART = DEPTH_INSIDE ? ROW : DEPTH / 8 * ROW, ALONG = DEPTH_INSIDE ? OUTER / 8 * ROW : ROW;

    /* Line and place in it: the place along the contraction with DEPTH_INSIDE, else across it. */
    static __device__ __forceinline__ int place(int plane, int line, int at) {
        const int row = DEPTH_INSIDE ? at / BF16_BLOCK * ALONG + line / 8 * APART : at / BF16_BLOCK * APART + line / 8 * ALONG;
        return plane * PLANE + row + line % 8 * 2 * BF16_BLOCK + (at % BF16_BLOCK / 8 ^ line % 8 / 2) * 16 + at % 8 * 2;
    }

    static __device__ __forceinline__ unsigned long long descriptor(unsigned slab, int plane, int outer, int depth) {
        const int first = DEPTH_INSIDE ? place(plane, outer, depth) : place(plane, depth, outer);
        return warpgroup::descriptor_of_rows(slab + first, DEPTH_INSIDE, APART, ALONG);
    }

    /* Begin to copy the slab at (outer, depth) of matrix q; beyond the matrix there are zeros. */
    static __device__ __forceinline__ void copy_in(char* slab, const TensorMap& operand, int outer, int depth, int q,
                                                   unsigned long long* barrier) {
        const int line = DEPTH_INSIDE ? outer : depth, at = DEPTH_INSIDE ? depth : outer;
        warpgroup::copy_in(slab, operand, 0, line, at / BF16_BLOCK, 0, q, barrier);
    }
};

typedef Slab<ROWS, !TRANSPOSE_A> SlabA;
typedef Slab<COLUMNS, TRANSPOSE_B> SlabB;

constexpr int HANDS = 1; /* that fill a stage: one thread */

/* In shared memory beside the slabs: a tile on its way out. A row is four banks further on than the one before. */
struct Beside {
    alignas(16) number tile[ROWS][COLUMNS + 4];
};

template <typename Shared>
__device__ __forceinline__ void fill(Shared& shared, const TensorMap& a, const TensorMap& b, Work work) {
    if (threadIdx.x != MULTIPLIERS) return;
    const int depths = work.slabs() * DEPTH;
    for (Turn turn = {0, 1}; work.tile < work.tiles; work.tile += gridDim.x)
        for (int depth = 0; depth < depths; depth += DEPTH, turn.next()) {
            char* slab = shared.slabs[turn.stage];
            unsigned long long* full = &shared.full[turn.stage];
            warpgroup::wait(&shared.empty[turn.stage], turn.phase);
            warpgroup::arrive_expecting(full, SlabA::BYTES + SlabB::BYTES);
            SlabA::copy_in(slab, a, work.row(), depth, work.q(), full);
            SlabB::copy_in(slab + SlabA::BYTES, b, work.column(), depth, work.q(), full);
        }
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
            number* to = &tile[row + 4 * k][8 * j / BF16_BLOCK * BF16_BLOCK + 8 * j % BF16_BLOCK / 2 + lane % 4];
            to[0] = to_bf16x2(sums[re], sums[re + 1]), to[BF16_BLOCK / 2] = to_bf16x2(sums[im], sums[im + 1]);
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
