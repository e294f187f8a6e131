/* Complex numbers of two bf16, a RUN of a line together: their real parts, 64 bytes, then their imaginary ones, which is
   how tensor cores take them. Each number still has its four bytes, in arrays of unsigned; lines are whole runs.

   A lane has a number, its neighbour the next one or the one before. To store them they turn them into two words: the even
   lane's are the real parts of both, the odd lane's the imaginary ones. To do it again turns them back. */
#pragma once
#include "device.cuh"

constexpr int RUN = 32;

/* Two numbers of each lane, or their words, at once: one exchange is enough for both. */
__device__ __forceinline__ void turn(unsigned& first, unsigned& second) {
    const bool odd = threadIdx.x % 2;
    const unsigned other = from_neighbour(bytes_of(first, second, odd ? 0x5410 : 0x7632));
    first = bytes_of(first, other, odd ? 0x3254 : 0x5410);
    second = bytes_of(second, other, odd ? 0x3276 : 0x7610);
}

/* Where the word of number i lies: of a run's even numbers in the first half, of its odd ones in the second. */
__device__ __forceinline__ unsigned long long place_of_word(unsigned long long i) {
    return i / RUN * RUN + i % 2 * (RUN / 2) + i % RUN / 2;
}
