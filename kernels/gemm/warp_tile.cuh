/* A slab of an operand in shared memory, for products by warps: as it was copied, and in parts (parts.cuh).
   Macros of every kernel here: THREADS, and those of parts.cuh. */
#pragma once
#include "split_terms.cuh"

/* OUTER rows of an operand's matrix, or columns of the other one's, by DEPTH of the contraction. DEPTH_INSIDE: numbers
   along the contraction lie side by side. */
template <int OUTER, bool DEPTH_INSIDE>
struct Slab {
    static constexpr int LINES = DEPTH_INSIDE ? OUTER : DEPTH, LENGTH = DEPTH_INSIDE ? DEPTH : OUTER;
    static constexpr int PITCH = LENGTH + 8; /* keeps eight lines of 16 bytes off each other's banks */
    static constexpr int NUMBERS = LINES * LENGTH, PLANE = LINES * PITCH, HALVES = PARTS * PLANES * PLANE;

    number* whole;         /* [LINES][LENGTH] */
    unsigned short* parts; /* [PARTS][PLANES][LINES][PITCH] */

    __device__ __forceinline__ const Group& group(int i) const { return *reinterpret_cast<const Group*>(whole + i); }

    __device__ __forceinline__ void find_largest(unsigned* largest) const {
        float found = 0;
#pragma unroll 4
        for (int i = GROUP * threadIdx.x; i < NUMBERS; i += GROUP * THREADS) found = fmaxf(found, most(group(i)));
        keep_most_of_warp(largest, __float_as_uint(found));
    }

    __device__ __forceinline__ void put_parts(float scale) const {
#pragma unroll 2
        for (int i = GROUP * threadIdx.x; i < NUMBERS; i += GROUP * THREADS) {
            const Split found = split(group(i), scale);
            unsigned short* to = parts + i / LENGTH * PITCH + i % LENGTH;
#pragma unroll
            for (int part = 0; part < PARTS; ++part)
#pragma unroll
                for (int plane = 0; plane < PLANES; ++plane, to += PLANE)
                    *reinterpret_cast<Halves*>(to) = found.of[plane][part];
        }
    }

    /* The 16 x 16 numbers of a plane at (outer, depth), for multiply_add (tensor.cuh). */
    __device__ __forceinline__ void load(unsigned (&block)[4], int part, int plane, int outer, int depth) const {
        const int line = DEPTH_INSIDE ? outer : depth, at = DEPTH_INSIDE ? depth : outer;
        load_block<!DEPTH_INSIDE>(block, parts + (PLANES * part + plane) * PLANE + line * PITCH + at, PITCH);
    }
};

/* Both slabs, copied by all threads, in parts; their scales' product, by which their product is to be multiplied.
   `largest` are two numbers that are zero, `next` two others, which will be. */
template <typename A, typename B>
__device__ __forceinline__ float split_both(const A& a, const B& b, unsigned* largest, unsigned* next) {
    wait_for_groups<0>();
    __syncthreads();
    a.find_largest(largest);
    b.find_largest(largest + 1);
    __syncthreads();
    const float2 scale_a = scale_for(largest[0]), scale_b = scale_for(largest[1]);
    if (threadIdx.x < 2) next[threadIdx.x] = 0;
    a.put_parts(scale_a.x);
    b.put_parts(scale_b.x);
    __syncthreads();
    return scale_a.y * scale_b.y;
}
