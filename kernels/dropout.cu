/* dropout: numbers by chance set to zero, the others scaled; the same ones as often as it is called with the same key.
   Computes  out[i] = source[i] * (word i of philox < threshold ? scale : 0), where words 4 b to 4 b + 3 are Philox4x32-10
             of the counter (b, 0, 0, 0)
   Input     source  real      [count]
             key     unsigned  [2]: in memory, so that a recorded step can go on with another one
   Output    out     real      [count]
   Grid      ceil(count / (4 THREADS)) blocks     Block  THREADS, each four numbers that follow each other
   Shared    0                                    Requires  type real, constant THREADS; count at most 2^34
   Source    Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011, section 3.3 (Philox) */

extern "C" __global__ void __launch_bounds__(THREADS)
dropout(const real* __restrict__ source, real* __restrict__ out, const unsigned* __restrict__ key,
        const unsigned long long threshold, const real scale, const long long count) {
    const long long block = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    unsigned x[4] = {static_cast<unsigned>(block), 0, 0, 0}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
        const unsigned long long a = 0xD2511F53ull * x[0], b = 0xCD9E8D57ull * x[2];
        const unsigned high_a = a >> 32, high_b = b >> 32, x1 = x[1], x3 = x[3];
        x[0] = high_b ^ x1 ^ k0, x[1] = static_cast<unsigned>(b);
        x[2] = high_a ^ x3 ^ k1, x[3] = static_cast<unsigned>(a);
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
#pragma unroll
    for (int word = 0; word < 4; ++word) {
        const long long i = 4 * block + word;
        if (i < count) out[i] = source[i] * (x[word] < threshold ? scale : real(0));
    }
}
