/* dropout: set random numbers to zero and scale the others; the same key gives the same mask.
   Computes  out[i] = source[i] * (word i of philox < threshold ? scale : 0). Words 8 b to 8 b + 7 are the halves, lower
             half first, of the four numbers of Philox4x64-10 for the counter (b + 1, 0, 0, 0)
   Input     source  real                [count]
             key     unsigned long long  [2]: in memory, so that a captured graph can be replayed with another key
   Output    out     real                [count]
   Grid      ceil(count / (8 THREADS)) blocks     Block  THREADS, each with eight consecutive numbers
   Shared    0                                    Requires  type real, constant THREADS
   Source    Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011, section 3.3; the counter is
             the one of NumPy's Philox */

extern "C" __global__ void __launch_bounds__(THREADS)
dropout(const real* __restrict__ source, real* __restrict__ out, const unsigned long long* __restrict__ key,
        const unsigned long long threshold, const real scale, const long long count) {
    const unsigned long long A = 0xD2E7470EE14C6C93ull, B = 0xCA5A826395121157ull;
    const long long block = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    unsigned long long x[4] = {static_cast<unsigned long long>(block) + 1, 0, 0, 0}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
        const unsigned long long high_a = __umul64hi(A, x[0]), low_a = A * x[0];
        const unsigned long long high_b = __umul64hi(B, x[2]), low_b = B * x[2];
        x[0] = high_b ^ x[1] ^ k0, x[1] = low_b;
        x[2] = high_a ^ x[3] ^ k1, x[3] = low_a;
        k0 += 0x9E3779B97F4A7C15ull, k1 += 0xBB67AE8584CAA73Bull;
    }
#pragma unroll
    for (int word = 0; word < 8; ++word) {
        const long long i = 8 * block + word;
        const unsigned long long random = x[word / 2] >> (word % 2 * 32) & 0xFFFFFFFFull;
        if (i < count) out[i] = source[i] * (random < threshold ? scale : real(0));
    }
}
