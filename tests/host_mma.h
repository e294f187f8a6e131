/* The functions of mma.cuh on the host.

   The lanes of a warp exchange their fragments at a block barrier: all warps of a block must multiply equally often. */
#define HOST_MMA

inline unsigned short to_half(float x) { /* to the nearest, ties to even */
    const unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    if (size > 0x7F800000) return 0x7FFF;
    if (size >= 0x477FF000) return sign | 0x7C00;
    if (size < 0x38800000) return sign | (unsigned)lrintf(fabsf(x) * 16777216.0f); /* multiples of 2^-24 */
    return sign | (size - 0x38000000 + 0xFFF + (size >> 13 & 1)) >> 13;
}
inline float from_half(unsigned short x) {
    const unsigned sign = (x & 0x8000u) << 16, size = x & 0x7FFF;
    if (size >= 0x7C00) return __uint_as_float(sign | 0x7F800000 | (size & 0x3FF) << 13);
    if (size < 0x400) return (sign ? -1 : 1) * (size / 16777216.0f);
    return __uint_as_float(sign | (size << 13) + 0x38000000);
}
inline unsigned to_f16x2(float first, float second) { return to_half(first) | to_half(second) << 16; }
inline float2 from_f16x2(unsigned both) { return {from_half(both), from_half(both >> 16)}; }

inline unsigned warp_max(unsigned value) {
    const unsigned* lanes = exchanged(value) + threadIdx.x / 32 * 32;
    for (int lane = 0; lane < 32; ++lane) value = lanes[lane] > value ? lanes[lane] : value;
    return value;
}
inline void atomic_warp_max(unsigned* target, unsigned value) { *target = value > *target ? value : *target; }

template <bool TRANSPOSED>
inline void ldmatrix_x4(unsigned (&fragment)[4], const unsigned short* corner, int pitch) {
    const int lane = threadIdx.x % 32;
    for (int matrix = 0; matrix < 4; ++matrix) {
        const int row = lane / 4 + matrix % 2 * 8, column = 2 * (lane % 4) + matrix / 2 * 8;
        const unsigned short* first = corner + (TRANSPOSED ? column * pitch + row : row * pitch + column);
        fragment[matrix] = first[0] | first[TRANSPOSED ? pitch : 1] << 16;
    }
}

namespace host {
struct Operands {
    unsigned a[4], b[2];
};
static Operands given[2][1024]; /* two buffers: a reader may be one product behind a writer */
static char buffers[1024];
}  // namespace host

template <bool BF16_OPERANDS>
inline float from_16_bits(unsigned both, int second) {
    const float2 values = BF16_OPERANDS ? from_bf16x2(both) : from_f16x2(both);
    return second ? values.y : values.x;
}

template <bool BF16_OPERANDS>
inline void mma_m16n8k16(float (&acc)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    const unsigned me = threadIdx.x, first = me / 32 * 32, lane = me % 32;
    host::Operands* given = host::given[host::buffers[me] ^= 1];
    given[me] = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
    __syncthreads();
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4, column = 2 * (lane % 4) + i % 2;
        double sum = acc[i];
        for (int k = 0; k < 16; ++k) {
            const unsigned a_k = given[first + 4 * row + k % 8 / 2].a[i / 2 + k / 8 * 2];
            const unsigned b_k = given[first + 4 * column + k % 8 / 2].b[k / 8];
            sum += (double)from_16_bits<BF16_OPERANDS>(a_k, k % 2) * from_16_bits<BF16_OPERANDS>(b_k, k % 2);
        }
        acc[i] = sum;
    }
}

namespace host {
/* The asynchronous operations that each thread has started, in groups. Each runs as late as the kernel allows. */
template <typename Operation>
struct Deferred {
    std::vector<std::pair<unsigned, Operation>> started[1024];
    unsigned groups[1024];

    void start(Operation operation) { started[threadIdx.x].push_back({groups[threadIdx.x], operation}); }
    void commit() { ++groups[threadIdx.x]; }
    void wait(unsigned pending) {
        std::vector<std::pair<unsigned, Operation>>& own = started[threadIdx.x];
        size_t i = 0;
        for (; i < own.size() && own[i].first + pending < groups[threadIdx.x]; ++i) own[i].second.run();
        own.erase(own.begin(), own.begin() + i);
    }
    void forget() {
        for (auto& own : started) own.clear();
    }
};
struct Copy {
    void* to;
    const void* from; /* null: zeros */
    int bytes;

    void run() const {
        if (from) memcpy(to, from, bytes);
        if (!from) memset(to, 0, bytes);
    }
};
static Deferred<Copy> async_copies;
}  // namespace host

template <int BYTES>
inline void cp_async(void* to, const void* from, bool valid) {
    host::check_alignment(BYTES, to, valid ? from : to, BYTES);
    host::async_copies.start({to, valid ? from : nullptr, BYTES});
}
inline void cp_async_commit() { host::async_copies.commit(); }
template <int PENDING>
inline void cp_async_wait() {
    host::async_copies.wait(PENDING);
}
