/* K-tiles of bf16: one thread copies each with one bulk copy, and tensor cores multiply it as it lies. Both operands
   have two components, re and im; wgmma negates the products that are subtracted. */
#pragma once

constexpr int WGMMA_K = 16;
constexpr int PRODUCER_REGISTERS = 40, CONSUMER_REGISTERS = 208, PRODUCER_ARRIVALS = 1;

/* MN rows of op(a), or columns of op(b), by TILE_K, both components, in atoms (wgmma.cuh). A line of an atom is one
   component of a bf16 block. */
template <int MN, bool K_MAJOR>
struct TmaTile {
    static constexpr int COMPONENT = MN * TILE_K * 2, BYTES = 2 * COMPONENT;
    static constexpr int ATOM = 8 * 2 * BF16_BLOCK, ATOM_COLUMN = (K_MAJOR ? MN : TILE_K) / 8 * ATOM;

    static DEVICE int offset(int component, int line, int column) {
        return component * COMPONENT + column / BF16_BLOCK * ATOM_COLUMN + line / 8 * ATOM + line % 8 * 2 * BF16_BLOCK +
               (column % BF16_BLOCK / 8 ^ line % 8 / 2) * 16 + column % 8 * 2;
    }

    static DEVICE unsigned long long descriptor(unsigned tile, int component, int mn, int k) {
        const int first = K_MAJOR ? offset(component, mn, k) : offset(component, k, mn);
        return swizzled_descriptor(tile + first, K_MAJOR ? 16 : ATOM_COLUMN, ATOM);
    }

    /* Start to copy the K-tile at (mn, k) of matrix q. */
    static DEVICE void copy(char* tile, const TensorMap& operand, int mn, int k, int q, unsigned long long* barrier) {
        const int line = K_MAJOR ? mn : k, column = K_MAJOR ? k : mn;
        cp_async_bulk_tensor(tile, operand, 0, line, column / BF16_BLOCK, 0, q, barrier);
    }
};

typedef TmaTile<TILE_M, !TRANSPOSE_A> TileA;
typedef TmaTile<TILE_N, TRANSPOSE_B> TileB;

/* Staging of a tile of out in shared memory. Each row begins four banks behind the one before. */
struct Staging {
    alignas(16) number out[TILE_M][TILE_N + 4];
};

template <typename Shared>
DEVICE void produce(Shared& shared, const TensorMap& a, const TensorMap& b, TileScheduler scheduler) {
    if (threadIdx.x != CONSUMER_THREADS) return;
    const int K = scheduler.k_tiles() * TILE_K;
    for (PipelineState state = {0, 1}; scheduler.valid(); scheduler.next())
        for (int k = 0; k < K; k += TILE_K, state.next()) {
            char* tiles = shared.tiles[state.stage];
            unsigned long long* full = &shared.full[state.stage];
            mbarrier_wait(&shared.empty[state.stage], state.phase);
            mbarrier_arrive_expect_tx(full, TileA::BYTES + TileB::BYTES);
            TileA::copy(tiles, a, scheduler.m(), k, scheduler.q(), full);
            TileB::copy(tiles + TileA::BYTES, b, scheduler.n(), k, scheduler.q(), full);
        }
}

/* Queue the products of a K-tile. */
DEVICE void queue(float (&acc)[TILE_N], unsigned tiles, int m, bool accumulate) {
    float(&re)[TILE_N / 2] = *reinterpret_cast<float(*)[TILE_N / 2]>(&acc[0]);
    float(&im)[TILE_N / 2] = *reinterpret_cast<float(*)[TILE_N / 2]>(&acc[TILE_N / 2]);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < TILE_K; k += WGMMA_K) {
        unsigned long long a[2], b[2]; /* re and im */
        for (int component = 0; component < 2; ++component) {
            a[component] = TileA::descriptor(tiles, component, m, k);
            b[component] = TileB::descriptor(tiles + TileA::BYTES, component, 0, k);
        }
        wgmma<true, TRANSPOSE_A, !TRANSPOSE_B>(re, a[0], b[0], accumulate);
        wgmma<true, TRANSPOSE_A, !TRANSPOSE_B>(im, a[0], b[1], accumulate);
        wgmma<true, TRANSPOSE_A, !TRANSPOSE_B, true>(re, a[1], b[1], true);
        wgmma<true, TRANSPOSE_A, !TRANSPOSE_B>(im, a[1], b[0], true);
        accumulate = true;
    }
    wgmma_commit();
}

template <typename Shared>
DEVICE void multiply_tile(float (&acc)[TILE_N], Shared& shared, PipelineState& state, int k_tiles) {
    const int m = warpgroup_row();
    for (int i = 0; i < k_tiles; ++i, state.next()) {
        mbarrier_wait(&shared.full[state.stage], state.phase);
        queue(acc, shared_address(shared.tiles[state.stage]), m, i > 0);
        wgmma_wait<1>();
        if (i) consumer_release(shared, state.previous());
    }
    wgmma_wait<0>();
    consumer_release(shared, state.previous());
}

/* Each warp writes its rows to shared memory; bulk copies store them while the next tile is multiplied. */
template <typename Shared>
DEVICE void store_tile(Shared& shared, number* out, const float (&acc)[TILE_N], const TileScheduler& scheduler) {
    const int row = thread_row(), lane = threadIdx.x % 32, own = threadIdx.x / 32 * 16 + lane; /* of 16 lanes */
    auto& staged = shared.staging.out;
    cp_async_bulk_wait_read();
    __syncwarp();
#pragma unroll
    for (int j = 0; j < TILE_N_CORES; ++j)
#pragma unroll
        for (int r = 0; r < 4; r += 2) {
            const int re = 4 * j + r, im = 4 * TILE_N_CORES + re;
            number* to = &staged[row + 4 * r][8 * j / BF16_BLOCK * BF16_BLOCK + 8 * j % BF16_BLOCK / 2 + lane % 4];
            to[0] = to_bf16x2(acc[re], acc[re + 1]), to[BF16_BLOCK / 2] = to_bf16x2(acc[im], acc[im + 1]);
        }
    fence_proxy_async();
    __syncwarp();
    const int columns = scheduler.N - scheduler.n() < TILE_N ? scheduler.N - scheduler.n() : TILE_N;
    if (lane < 16 && scheduler.m() + own < scheduler.M)
        cp_async_bulk(out + static_cast<long long>(scheduler.m() + own) * scheduler.N + scheduler.n(), staged[own],
                      columns * sizeof(number));
}

/* The block must not end before the copies have read its shared memory. */
DEVICE void wait_for_stores() { cp_async_bulk_wait_read(); }
