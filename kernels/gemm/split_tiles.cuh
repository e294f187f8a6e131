/* K-tiles of floats: producers split them into terms and store the terms in shared memory.

   A producer warp copies its share of a K-tile, some rows of op(a) and some columns of op(b), splits the numbers
   with a scale of its own (split_terms.cuh), and signals that the share is ready. Meanwhile copies of the next
   K-tiles are in flight. Operand b has three components, -im, re and im. One instruction multiplies a.re by (b.re,
   b.im), the next one a.im by (-b.im, b.re). Each lane copies with cp.async: bulk copies need lines of whole 16
   bytes, which 3 maps do not have.

   With two terms the accumulators restart at each K-tile, with the small terms, and are then added as floats: tensor
   cores truncate where float additions round. With one term they run through all K-tiles, and TILE_N is twice as large;
   the scales then change as rarely as they can, and each change rescales the accumulators. */
#pragma once

constexpr bool RESTART_PER_TILE = SPLIT_TERMS > 1;
constexpr int SHARE_M = TILE_M / PRODUCER_WARPS, SHARE_N = TILE_N / PRODUCER_WARPS; /* of a producer warp */
constexpr int PRODUCER_REGISTERS = RESTART_PER_TILE ? 88 : 120, CONSUMER_REGISTERS = RESTART_PER_TILE ? 168 : 192;
constexpr int PRODUCER_ARRIVALS = PRODUCER_WARPS;

/* A split K-tile: MN rows of op(a), or columns of op(b), each term with TILE_COMPONENTS components, in core matrices
   (wgmma.cuh). */
template <int MN, int TILE_COMPONENTS, bool K_MAJOR>
struct SplitTile {
    /* padded so that a warp's simultaneous writes fall on different banks */
    static constexpr int SHARE_CORES = MN / PRODUCER_WARPS / 8;
    static constexpr int STRIDE = K_MAJOR || SHARE_CORES == 1 ? 128 : 128 + 128 / SHARE_CORES;
    static constexpr int COMPONENT = MN / 8 * STRIDE, LEADING = TILE_COMPONENTS * COMPONENT + (K_MAJOR ? 64 : 0);
    static constexpr int TERM = TILE_K / 8 * LEADING, BYTES = SPLIT_TERMS * TERM;

    static DEVICE int offset(int term, int component, int mn, int k) {
        const int in_core = K_MAJOR ? mn % 8 * 16 + k % 8 * 2 : k % 8 * 16 + mn % 8 * 2;
        return term * TERM + k / 8 * LEADING + component * COMPONENT + mn / 8 * STRIDE + in_core;
    }

    static DEVICE unsigned long long descriptor(unsigned tile, int term, int component, int mn) {
        return matrix_descriptor(tile + offset(term, component, mn, 0), LEADING, STRIDE);
    }
};

typedef SplitTile<TILE_M, 2, !TRANSPOSE_A> TileA;
typedef SplitTile<TILE_N, 3, TRANSPOSE_B> TileB;

/* The accesses of a producer lane to successive K-tiles of one operand. Access i is LINES lines behind access i - 1. */
template <int MN, bool K_MAJOR, bool ALIGNED>
struct Reader {
    static constexpr int LINE_ACCESSES = (K_MAJOR ? TILE_K : MN) / PER_ACCESS, LINES = 32 / LINE_ACCESSES;
    static constexpr int ACCESSES = MN * TILE_K / PER_ACCESS / 32;

    const number* from;  /* the lane's first access */
    int length;          /* of a line in memory */
    int mn_left, k_left; /* numbers from there to the end of the operand */

    static DEVICE int line() { return threadIdx.x % 32 / LINE_ACCESSES; }
    static DEVICE int column() { return threadIdx.x % LINE_ACCESSES * PER_ACCESS; }
    static DEVICE int mn(int i) { return K_MAJOR ? line() + i * LINES : column(); }
    static DEVICE int k(int i) { return K_MAJOR ? column() : line() + i * LINES; }

    DEVICE void begin(const number* matrix, int first, int mn_size, int k_size) {
        length = K_MAJOR ? k_size : mn_size;
        const int row = (K_MAJOR ? first : 0) + line(), offset = (K_MAJOR ? 0 : first) + column();
        from = matrix + static_cast<long long>(row) * length + offset;
        mn_left = mn_size - first - mn(0), k_left = k_size - k(0);
    }

    DEVICE void next() {
        from += K_MAJOR ? TILE_K : TILE_K * length;
        k_left -= TILE_K;
    }

    /* Start to copy the lane's accesses of a K-tile. */
    DEVICE void fetch(Access (&raw)[ACCESSES][32]) const {
        const int lines = K_MAJOR ? mn_left : k_left, numbers = K_MAJOR ? k_left : mn_left;
#pragma unroll
        for (int i = 0; i < ACCESSES; ++i) {
            const number* source = from + i * LINES * length;
            Access& to = raw[i][threadIdx.x % 32];
            if (ALIGNED) {
                cp_async<sizeof(Access)>(&to, source, lines > i * LINES && numbers > 0);
            } else {
#pragma unroll
                for (int j = 0; j < PER_ACCESS; ++j)
                    cp_async<sizeof(number)>(&to.of[j], source + j, lines > i * LINES && numbers > j);
            }
        }
    }

    /* Load into registers what has been copied; returns the bits of the warp's largest number. */
    static DEVICE unsigned load(Access (&accesses)[ACCESSES], const Access (&raw)[ACCESSES][32]) {
        float largest = 0;
#pragma unroll
        for (int i = 0; i < ACCESSES; ++i) {
            accesses[i] = raw[i][threadIdx.x % 32];
            largest = fmaxf(largest, max_abs(accesses[i]));
        }
        return warp_max(__float_as_uint(largest));
    }

    /* Store the split accesses: re as component `re`, im behind it, and before it, if re > 0, -im. */
    template <typename Tile>
    static DEVICE void store(char* tile, const Access (&accesses)[ACCESSES], int re, int first, float scale) {
#pragma unroll
        for (int i = 0; i < ACCESSES; ++i) {
            const Split numbers = split(accesses[i], scale);
            char* to = tile + Tile::offset(0, re, first + mn(i), k(i));
#pragma unroll
            for (int term = 0; term < SPLIT_TERMS; ++term, to += Tile::TERM) {
                *reinterpret_cast<Packed*>(to) = numbers.of[0][term];
                *reinterpret_cast<Packed*>(to + Tile::COMPONENT) = numbers.of[1][term];
                if (re) *reinterpret_cast<Packed*>(to - Tile::COMPONENT) = negate(numbers.of[1][term]);
            }
        }
    }

    static DEVICE Packed negate(Packed x) {
        for (unsigned& both : x.of) both ^= 0x80008000;
        return x;
    }
};

typedef Reader<SHARE_M, !TRANSPOSE_A, ALIGNED_A> ReaderA;
typedef Reader<SHARE_N, TRANSPOSE_B, ALIGNED_B> ReaderB;

/* The inverse scale of each producer warp's share of a K-tile, and its scale divided by the one of the K-tile
   before. */
struct alignas(16) Scales {
    float a[PRODUCER_WARPS], b[PRODUCER_WARPS], change_a[PRODUCER_WARPS], change_b[PRODUCER_WARPS];
};

/* Shared memory for the copies in flight, each lane's own, and for the scales of the stages. */
struct Staging {
    Access raw_a[PREFETCH][PRODUCER_WARPS][ReaderA::ACCESSES][32];
    Access raw_b[PREFETCH][PRODUCER_WARPS][ReaderB::ACCESSES][32];
    Scales scales[STAGES];
};

/* The readers of both operands, which go through all K-tiles of all tiles of the block. */
struct Readers {
    const number *matrices_a, *matrices_b;
    TileScheduler scheduler;
    int warp, k_tile, k_tiles;
    ReaderA a;
    ReaderB b;

    DEVICE void begin() {
        const long long rows = scheduler.q() * scheduler.K;
        a.begin(matrices_a + rows * scheduler.M, scheduler.m() + warp * SHARE_M, scheduler.M, scheduler.K);
        b.begin(matrices_b + rows * scheduler.N, scheduler.n() + warp * SHARE_N, scheduler.N, scheduler.K);
        k_tile = 0;
    }

    /* Start to copy the next K-tile to a buffer, if there is one. */
    DEVICE void fetch(Staging& staging, int buffer) {
        if (scheduler.valid()) {
            a.fetch(staging.raw_a[buffer][warp]);
            b.fetch(staging.raw_b[buffer][warp]);
            a.next(), b.next();
            if (++k_tile == k_tiles && scheduler.next()) begin();
        }
        cp_async_commit();
    }
};

template <typename Shared>
DEVICE void produce(Shared& shared, const number* __restrict__ a, const number* __restrict__ b,
                    TileScheduler scheduler) {
    const int warp = (threadIdx.x - CONSUMER_THREADS) / 32, k_tiles = scheduler.k_tiles();
    const int count = scheduler.left() * k_tiles;
    Staging& staging = shared.staging;
    Readers readers = {a, b, scheduler, warp, 0, k_tiles};
    if (count) readers.begin();
#pragma unroll
    for (int buffer = 0; buffer < PREFETCH - 1; ++buffer) readers.fetch(staging, buffer);
    RunningScale scale_a = {1, 1, 1}, scale_b = scale_a;
    PipelineState state = {0, 1};
    for (int i = 0, k_tile = 0, ready = 0, free = PREFETCH - 1; i < count; ++i, state.next()) {
        readers.fetch(staging, free);
        cp_async_wait<PREFETCH - 1>();
        char* tiles = shared.tiles[state.stage];
        Access share_a[ReaderA::ACCESSES], share_b[ReaderB::ACCESSES];
        const bool restart = RESTART_PER_TILE || k_tile == 0;
        const float change_a = scale_a.next(ReaderA::load(share_a, staging.raw_a[ready][warp]), restart);
        const float change_b = scale_b.next(ReaderB::load(share_b, staging.raw_b[ready][warp]), restart);
        mbarrier_wait(&shared.empty[state.stage], state.phase);
        ReaderA::template store<TileA>(tiles, share_a, 0, warp * SHARE_M, scale_a.value);
        ReaderB::template store<TileB>(tiles + TileA::BYTES, share_b, 1, warp * SHARE_N, scale_b.value);
        free = ready, ready = ready + 1 == PREFETCH ? 0 : ready + 1;
        if (threadIdx.x % 32 == 0) {
            Scales& scales = staging.scales[state.stage];
            scales.a[warp] = scale_a.inverse, scales.b[warp] = scale_b.inverse;
            scales.change_a[warp] = change_a, scales.change_b[warp] = change_b;
        }
        fence_proxy_async();
        __syncwarp();
        if (threadIdx.x % 32 == 0) mbarrier_arrive(&shared.full[state.stage]);
        if (++k_tile == k_tiles) k_tile = 0;
    }
}

/* A factor for the accumulators of each share of op(b)'s columns. */
struct Factors {
    float of[PRODUCER_WARPS];

    DEVICE void set(float a, const float (&b)[PRODUCER_WARPS]) {
#pragma unroll
        for (int j = 0; j < PRODUCER_WARPS; ++j) of[j] = a * b[j];
    }

    DEVICE float operator[](int i) const { return of[i % (4 * TILE_N_CORES) / 4 * PRODUCER_WARPS / TILE_N_CORES]; }
};

/* Rescale the accumulators if a scale has changed. */
DEVICE void rescale(float (&acc)[TILE_N], const Scales& scales, int share) {
    bool changed = false; /* in any share: the whole warpgroup must wait together */
#pragma unroll
    for (int j = 0; j < PRODUCER_WARPS; ++j) changed |= scales.change_a[j] != 1 || scales.change_b[j] != 1;
    if (!changed) return;
    Factors factors;
    factors.set(scales.change_a[share], scales.change_b);
    wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < TILE_N; ++i) acc[i] *= factors[i];
}

/* Queue the products of a K-tile, small terms first. */
DEVICE void queue(float (&acc)[TILE_N], unsigned tiles, bool accumulate) {
    wgmma_fence();
#pragma unroll
    for (int step = RESTART_PER_TILE ? 0 : 2; step < 3; ++step) { /* low high, high low, high high */
        const int p = step == 0 ? SPLIT_TERMS - 1 : 0, q = step == 1 ? SPLIT_TERMS - 1 : 0;
#pragma unroll
        for (int component = 0; component < 2; ++component) {
            wgmma<false, TRANSPOSE_A, !TRANSPOSE_B>(acc, TileA::descriptor(tiles, p, component, warpgroup_row()),
                                                    TileB::descriptor(tiles + TileA::BYTES, q, 1 - component, 0),
                                                    accumulate);
            accumulate = true;
        }
    }
    wgmma_commit();
}

template <typename Shared>
DEVICE void multiply_tile(float (&acc)[TILE_N], Shared& shared, PipelineState& state, int k_tiles) {
    const int share = threadIdx.x / 32 * 16 / SHARE_M;
    Factors factors;
    if (RESTART_PER_TILE)
#pragma unroll
        for (float& x : acc) x = 0;
    for (int i = 0; i < k_tiles; ++i, state.next()) {
        const Scales& scales = shared.staging.scales[state.stage];
        const unsigned tiles = shared_address(shared.tiles[state.stage]);
        mbarrier_wait(&shared.full[state.stage], state.phase);
        if constexpr (RESTART_PER_TILE) {
            float tile_acc[TILE_N];
            queue(tile_acc, tiles, false);
            wgmma_wait<0>();
            factors.set(scales.a[share], scales.b);
            consumer_release(shared, state.stage);
#pragma unroll
            for (int j = 0; j < TILE_N; ++j) acc[j] += factors[j] * tile_acc[j];
        } else {
            if (i) rescale(acc, scales, share);
            queue(acc, tiles, i > 0);
            wgmma_wait<1>();
            if (i) consumer_release(shared, state.previous());
        }
    }
    if constexpr (!RESTART_PER_TILE) {
        wgmma_wait<0>();
        const Scales& scales = shared.staging.scales[state.previous()];
        factors.set(scales.a[share], scales.b);
        consumer_release(shared, state.previous());
#pragma unroll
        for (int j = 0; j < TILE_N; ++j) acc[j] *= factors[j];
    }
}

template <typename Shared>
DEVICE void store_tile(Shared&, number* out, const float (&acc)[TILE_N], const TileScheduler& scheduler) {
    const int m = scheduler.m() + thread_row(), n = scheduler.n() + threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < TILE_N_CORES; ++j)
#pragma unroll
        for (int r = 0; r < 4; r += 2) {
            const int re = 4 * j + r, im = 4 * TILE_N_CORES + re;
            store_pair(out, m + 4 * r, n + 8 * j, scheduler.M, scheduler.N, {acc[re], acc[im]},
                       {acc[re + 1], acc[im + 1]});
        }
}

DEVICE void wait_for_stores() {}
