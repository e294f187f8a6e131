/* A K-tile of an operand in shared memory for warp-level products: the numbers as copied, and their split terms.
   Constants of every kernel here: THREADS, and those of split_terms.cuh. */
#pragma once
#include "split_terms.cuh"

/* MN rows of the left operand, or columns of the right one, by TILE_K of the contraction. K_MAJOR: numbers along the
   contraction are contiguous. */
template <int MN, bool K_MAJOR>
struct WarpTile {
    static constexpr int LINES = K_MAJOR ? MN : TILE_K, LENGTH = K_MAJOR ? TILE_K : MN, NUMBERS = LINES * LENGTH;
    static constexpr int PITCH = LENGTH + 8; /* avoids bank conflicts of eight lines of 16 bytes */
    static constexpr int COMPONENT = LINES * PITCH, TERMS = SPLIT_TERMS * COMPONENTS * COMPONENT;

    number* raw;           /* [LINES][LENGTH] */
    unsigned short* terms; /* [SPLIT_TERMS][COMPONENTS][LINES][PITCH] */

    __device__ __forceinline__ const Access& access(int i) const { return *reinterpret_cast<const Access*>(raw + i); }

    __device__ __forceinline__ void reduce_max(unsigned* max_bits) const {
        float largest = 0;
#pragma unroll 4
        for (int i = PER_ACCESS * threadIdx.x; i < NUMBERS; i += PER_ACCESS * THREADS)
            largest = fmaxf(largest, max_abs(access(i)));
        atomic_warp_max(max_bits, __float_as_uint(largest));
    }

    __device__ __forceinline__ void store_terms(float scale) const {
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
    __device__ __forceinline__ void load(unsigned (&fragment)[4], int term, int component, int mn, int k) const {
        const int line = K_MAJOR ? mn : k, column = K_MAJOR ? k : mn;
        const unsigned short* first = terms + (COMPONENTS * term + component) * COMPONENT;
        ldmatrix_x4<!K_MAJOR>(fragment, first + line * PITCH + column, PITCH);
    }
};

/* Split both tiles, which all threads have copied. Returns the factor that undoes their scales in the product. max_bits
   are two zeros; next_max_bits, for the next K-tile, are set to zero. */
template <typename A, typename B>
__device__ __forceinline__ float split_both(const A& a, const B& b, unsigned* max_bits, unsigned* next_max_bits) {
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
