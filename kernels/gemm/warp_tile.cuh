/* Products by warps: a K-tile of an operand in shared memory, as copied and as split terms, and a warp's
   accumulators. Constants of every kernel here: TILE_M, TILE_N, WARP_TILE, BLOCKS_PER_SM, and the
   constants of split_terms.cuh.

   A block has a warp for each WARP_TILE x WARP_TILE of its tile. The accumulators restart at each K-tile, with the
   small terms, and are then added as floats: tensor cores truncate where float additions round. */
#pragma once
#include "split_terms.cuh"

constexpr int WARPS_N = TILE_N / WARP_TILE, THREADS = 32 * (TILE_M / WARP_TILE) * WARPS_N;
constexpr int FRAGMENT = 16; /* rows and columns that a warp loads at a time */
constexpr int FRAGMENTS_M = WARP_TILE / FRAGMENT, PIECES_N = WARP_TILE / 8;
typedef float Accumulators[FRAGMENTS_M][PIECES_N][COMPONENTS][4]; /* pieces of 16 x 8 */

/* MN rows of the left operand, or columns of the right one, by TILE_K of the contraction. K_MAJOR: numbers along the
   contraction are contiguous. */
template <int MN, bool K_MAJOR>
struct WarpTile {
    static constexpr int LINES = K_MAJOR ? MN : TILE_K, LENGTH = K_MAJOR ? TILE_K : MN, NUMBERS = LINES * LENGTH;
    static constexpr int PITCH = LENGTH + 8; /* avoids bank conflicts of eight lines of 16 bytes */
    static constexpr int COMPONENT = LINES * PITCH, TERMS = SPLIT_TERMS * COMPONENTS * COMPONENT;

    number* raw;           /* [LINES][LENGTH] */
    unsigned short* terms; /* [SPLIT_TERMS][COMPONENTS][LINES][PITCH] */

    DEVICE const Access& access(int i) const { return *reinterpret_cast<const Access*>(raw + i); }

    DEVICE void reduce_max(unsigned* max_bits) const {
        float largest = 0;
#pragma unroll 4
        for (int i = PER_ACCESS * threadIdx.x; i < NUMBERS; i += PER_ACCESS * THREADS)
            largest = fmaxf(largest, max_abs(access(i)));
        atomic_warp_max(max_bits, __float_as_uint(largest));
    }

    DEVICE void store_terms(float scale) const {
#pragma unroll 2
        for (int i = PER_ACCESS * threadIdx.x; i < NUMBERS; i += PER_ACCESS * THREADS) {
            const Split numbers = split(access(i), scale);
            unsigned short* to = terms + i / LENGTH * PITCH + i % LENGTH;
#pragma unroll
            for (int term = 0; term < SPLIT_TERMS; ++term)
#pragma unroll
                for (int component = 0; component < COMPONENTS; ++component, to += COMPONENT)
                    *reinterpret_cast<Packed*>(to) = numbers.of[component][term];
        }
    }

    /* Load the fragment at (mn, k) of a component. */
    DEVICE void load(unsigned (&fragment)[4], int term, int component, int mn, int k) const {
        const int line = K_MAJOR ? mn : k, column = K_MAJOR ? k : mn;
        const unsigned short* first = terms + (COMPONENTS * term + component) * COMPONENT;
        ldmatrix_x4<!K_MAJOR>(fragment, first + line * PITCH + column, PITCH);
    }
};

/* Split both tiles, which all threads have copied. Returns the factor that undoes their scales in the product. max_bits
   are two zeros; next_max_bits, for the next K-tile, are set to zero. */
template <typename A, typename B>
DEVICE float split_both(const A& a, const B& b, unsigned* max_bits, unsigned* next_max_bits) {
    cp_async_wait<0>();
    __syncthreads();
    a.reduce_max(max_bits);
    b.reduce_max(max_bits + 1);
    __syncthreads();
    const float2 scale_a = scale_for(max_bits[0]), scale_b = scale_for(max_bits[1]);
    if (threadIdx.x < 2) next_max_bits[threadIdx.x] = 0;
    a.store_terms(scale_a.x);
    b.store_terms(scale_b.x);
    __syncthreads();
    return scale_a.y * scale_b.y;
}

/* Add the product of two K-tiles, 16 rows at a time, for the warp at (m, n) of the tile. */
template <typename A, typename B>
DEVICE void multiply(Accumulators& sums, const A& a, const B& b, int m, int n, float scale) {
#pragma unroll
    for (int i = 0; i < FRAGMENTS_M; ++i) {
        float acc[PIECES_N][COMPONENTS][4] = {};
#pragma unroll
        for (int k = 0; k < TILE_K; k += FRAGMENT) {
            unsigned left[SPLIT_TERMS][2 * COMPONENTS - 1][4]; /* re, im, -im */
            unsigned right[SPLIT_TERMS][COMPONENTS][PIECES_N / 2][4];
#pragma unroll
            for (int term = 0; term < SPLIT_TERMS; ++term) {
#pragma unroll
                for (int component = 0; component < COMPONENTS; ++component) {
                    a.load(left[term][component], term, component, m + i * FRAGMENT, k);
#pragma unroll
                    for (int j = 0; j < PIECES_N / 2; ++j)
                        b.load(right[term][component][j], term, component, n + j * FRAGMENT, k);
                }
                if constexpr (COMPONENTS == 2)
#pragma unroll
                    for (int r = 0; r < 4; ++r) left[term][2][r] = left[term][1][r] ^ 0x80008000;
            }
#pragma unroll
            for (int step = SPLIT_TERMS == 1 ? 2 : 0; step < 3; ++step) { /* low high, high low, high high */
                const int p = step == 0 ? SPLIT_TERMS - 1 : 0, q = step == 1 ? SPLIT_TERMS - 1 : 0;
#pragma unroll
                for (int component = 0; component < COMPONENTS; ++component) /* of a */
#pragma unroll
                    for (int j = 0; j < PIECES_N; ++j) {
                        const unsigned(&re)[4] = right[q][component][j / 2];
                        mma_m16n8k16<BF16>(acc[j][0], left[p][2 * component], re[j % 2], re[2 + j % 2]);
                        if constexpr (COMPONENTS == 2) {
                            const unsigned(&im)[4] = right[q][1 - component][j / 2];
                            mma_m16n8k16<BF16>(acc[j][1], left[p][component], im[j % 2], im[2 + j % 2]);
                        }
                    }
            }
        }
#pragma unroll
        for (int j = 0; j < PIECES_N; ++j)
#pragma unroll
            for (int r = 0; r < 4; ++r)
#pragma unroll
                for (int component = 0; component < COMPONENTS; ++component)
                    sums[i][j][component][r] += scale * acc[j][component][r];
    }
}
