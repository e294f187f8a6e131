/* Tensor cores on a machine without any: kernels/tensor.cuh's functions, which it leaves to this header.

   A warp's lanes give each other their blocks at a barrier: so all warps of a block have to multiply equally often. */
#define HOST_TENSOR

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
inline unsigned to_halves(float first, float second) { return to_half(first) | to_half(second) << 16; }
inline float2 from_halves(unsigned both) { return {from_half(both), from_half(both >> 16)}; }

inline unsigned most_of_warp(unsigned value) {
    const unsigned* of_lanes = exchanged(value) + threadIdx.x / 32 * 32;
    for (int lane = 0; lane < 32; ++lane) value = of_lanes[lane] > value ? of_lanes[lane] : value;
    return value;
}
inline void keep_most_of_warp(unsigned* target, unsigned value) { *target = value > *target ? value : *target; }

template <bool TURNED>
inline void load_block(unsigned (&block)[4], const unsigned short* corner, int pitch) {
    const int lane = threadIdx.x % 32;
    for (int square = 0; square < 4; ++square) {
        const int row = lane / 4 + square % 2 * 8, column = 2 * (lane % 4) + square / 2 * 8;
        const unsigned short* first = corner + (TURNED ? column * pitch + row : row * pitch + column);
        block[square] = first[0] | first[TURNED ? pitch : 1] << 16;
    }
}

namespace host {
struct Operands {
    unsigned a[4], b[2];
};
static Operands given[2][1024]; /* of each thread, by turns: who reads may be one product behind who writes */
static char turns[1024];
}  // namespace host

template <bool OF_BF16>
inline float from_16_bits(unsigned both, int second) {
    const float2 values = OF_BF16 ? from_bf16x2(both) : from_halves(both);
    return second ? values.y : values.x;
}

template <bool OF_BF16>
inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    const unsigned me = threadIdx.x, first = me / 32 * 32, lane = me % 32;
    host::Operands* given = host::given[host::turns[me] ^= 1];
    given[me] = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
    __syncthreads();
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4, column = 2 * (lane % 4) + i % 2;
        double sum = sums[i];
        for (int k = 0; k < 16; ++k) {
            const host::Operands &of_row = given[first + 4 * row + k % 8 / 2], &of_column = given[first + 4 * column + k % 8 / 2];
            sum += (double)from_16_bits<OF_BF16>(of_row.a[i / 2 + k / 8 * 2], k % 2) * from_16_bits<OF_BF16>(of_column.b[k / 8], k % 2);
        }
        sums[i] = sum;
    }
}

namespace host {
/* What each thread has begun, and not waited for, in groups: it is done as late as it may be. */
template <typename Work>
struct Later {
    std::vector<std::pair<unsigned, Work>> begun[1024];
    unsigned groups[1024];

    void begin(Work work) { begun[threadIdx.x].push_back({groups[threadIdx.x], work}); }
    void end_group() { ++groups[threadIdx.x]; }
    void finish(unsigned later) { /* all groups but the last ones */
        std::vector<std::pair<unsigned, Work>>& own = begun[threadIdx.x];
        size_t i = 0;
        for (; i < own.size() && own[i].first + later < groups[threadIdx.x]; ++i) own[i].second.run();
        own.erase(own.begin(), own.begin() + i);
    }
    void forget() {
        for (auto& own : begun) own.clear();
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
static Later<Copy> copies_ahead;
}  // namespace host

template <int BYTES>
inline void copy_ahead(void* to, const void* from, bool wanted) {
    host::check_alignment(BYTES, to, wanted ? from : to, BYTES);
    host::copies_ahead.begin({to, wanted ? from : nullptr, BYTES});
}
inline void end_group() { host::copies_ahead.end_group(); }
template <int LATER>
inline void wait_for_groups() {
    host::copies_ahead.finish(LATER);
}
