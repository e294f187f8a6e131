/* The functions of wgmma.cuh on the host.

   Products, and copies to global memory, run when the kernel waits for them, after the other threads have run: a thread
   that overwrites their memory too early spoils them. Copies to shared memory run when a thread waits for their
   barrier, but overwrite their target with NaN at once. Fences and register counts have no effect. */
#define HOST_WGMMA

struct TensorMap;

inline size_t __cvta_generic_to_shared(const void* pointer) { return static_cast<const char*>(pointer) - host::shared; }

namespace host {
/* An mbarrier, in its 64 bits. */
struct Barrier {
    short count, missing;
    unsigned phase : 1, bytes : 31;

    void settle() {
        if (missing == 0 && bytes == 0) missing = count, phase ^= 1;
    }
};

/* A tensor copy in flight: what a tensor map holds on the host (host_gpu.boxes), and the coordinates of the box. */
struct TensorCopy {
    char* to;
    unsigned long long map[16];
    int first[5];
    Barrier* barrier;

    unsigned bytes() const {
        unsigned bytes = 2;
        for (int axis = 0; axis < 5; ++axis) bytes *= map[10 + axis];
        return bytes;
    }

    void run() const {
        const unsigned long long *sizes = map + 1, *strides = map + 6, *box = map + 10;
        for (unsigned i = 0; i < bytes() / 2; ++i) {
            const char* from = reinterpret_cast<const char*>(map[0]);
            bool inside = true;
            unsigned rest = i;
            for (int axis = 0; axis < 5; rest /= box[axis++]) {
                const long long at = first[axis] + rest % box[axis];
                inside &= 0 <= at && at < static_cast<long long>(sizes[axis]);
                from += at * (axis ? strides[axis - 1] : 2);
            }
            const char* end = reinterpret_cast<const char*>(map[0]) + sizes[4] * strides[3];
            stuck |= inside && from >= end;
            unsigned offset = to - shared + 2 * i;
            offset ^= offset >> 3 & 0x30;
            unsigned short* target = reinterpret_cast<unsigned short*>(shared + offset);
            *target = inside ? *reinterpret_cast<const unsigned short*>(from) : 0;
        }
        stuck |= barrier->bytes < bytes(); /* the barrier does not expect them */
        barrier->bytes -= bytes();
        barrier->settle();
    }
};

static std::vector<TensorCopy> tensor_copies;

static void run_copies_of(Barrier* barrier) {
    std::vector<TensorCopy> others;
    for (const TensorCopy& copy : tensor_copies)
        if (copy.barrier == barrier) copy.run();
        else others.push_back(copy);
    tensor_copies = others;
}

/* A thread's share of a product by a warpgroup: two rows, and two of each eight columns. */
struct Product {
    float* acc;
    int columns; /* of the whole product */
    unsigned long long a, b;
    bool mn_major_a, mn_major_b, bf16, accumulate;
    float sign;

    /* Number (mn, k) of an operand, in the layout that wgmma.cuh describes. */
    float number(unsigned long long descriptor, bool mn_major, int mn, int k) const {
        const unsigned first = (descriptor & 0x3FFF) << 4, leading = (descriptor >> 16 & 0x3FFF) << 4;
        const unsigned stride = (descriptor >> 32 & 0x3FFF) << 4, swizzle = descriptor >> 62;
        unsigned offset;
        if (swizzle == 2) {
            offset = mn_major ? mn / 32 * leading + k / 8 * stride + k % 8 * 64 + mn % 32 * 2
                              : mn / 8 * stride + mn % 8 * 64 + k * 2;
            offset += first, offset ^= offset >> 3 & 0x30;
        } else {
            const int in_core = mn_major ? k % 8 * 16 + mn % 8 * 2 : mn % 8 * 16 + k % 8 * 2;
            offset = first + k / 8 * leading + mn / 8 * stride + in_core;
        }
        const unsigned short bits = *reinterpret_cast<const unsigned short*>(shared + offset);
        return bf16 ? __uint_as_float(static_cast<unsigned>(bits) << 16) : from_half(bits);
    }

    void run() const {
        const int lane = threadIdx.x % 32, row = threadIdx.x / 32 % 4 * 16 + lane / 4;
        float rows[2][16];
        for (int i = 0; i < 2; ++i)
            for (int k = 0; k < 16; ++k) rows[i][k] = sign * number(a, mn_major_a, row + 8 * i, k);
        for (int j = 0; j < columns / 4; ++j) {
            const int column = j / 2 * 8 + lane % 4 * 2 + j % 2;
            float& upper = acc[j / 2 * 4 + j % 2];
            float& lower = acc[j / 2 * 4 + j % 2 + 2];
            double first = accumulate ? upper : 0, second = accumulate ? lower : 0;
            for (int k = 0; k < 16; ++k) {
                const double right = number(b, mn_major_b, column, k);
                first += rows[0][k] * right, second += rows[1][k] * right;
            }
            upper = first, lower = second;
        }
    }
};

static Deferred<Product> products;
static Deferred<Copy> bulk_copies;

static void forget() {
    stuck |= !tensor_copies.empty(); /* they would write to the memory of the next block */
    async_copies.forget(), products.forget(), bulk_copies.forget(), tensor_copies.clear();
}
}  // namespace host

inline void mbarrier_init(unsigned long long* barrier, int count) {
    *reinterpret_cast<host::Barrier*>(barrier) = {static_cast<short>(count), static_cast<short>(count), 0, 0};
}
inline void mbarrier_arrive_expect_tx(unsigned long long* barrier, int bytes) {
    host::Barrier& of = *reinterpret_cast<host::Barrier*>(barrier);
    of.bytes += bytes, --of.missing;
    of.settle();
}
inline void mbarrier_arrive(unsigned long long* barrier) { mbarrier_arrive_expect_tx(barrier, 0); }
inline void cp_async_bulk_tensor(void* to, const TensorMap& from, int i, int j, int k, int l, int m,
                                 unsigned long long* barrier) {
    host::TensorCopy copy = {static_cast<char*>(to), {}, {i, j, k, l, m}, reinterpret_cast<host::Barrier*>(barrier)};
    host::stuck |= (copy.to - host::shared) % 128 != 0;
    memcpy(copy.map, &from, sizeof(copy.map));
    memset(to, 0xFF, copy.bytes()); /* a read that comes now is too late */
    host::tensor_copies.push_back(copy);
}
inline void mbarrier_wait(unsigned long long* barrier, int phase) {
    host::Barrier* of = reinterpret_cast<host::Barrier*>(barrier);
    host::wait_until([&] {
        host::run_copies_of(of);
        return of->phase != phase;
    });
}

inline void fence_proxy_async() {}
inline void cp_async_bulk(void* to, const void* from, int bytes) {
    host::check_alignment(16, to, from, bytes);
    host::bulk_copies.start({to, from, bytes});
    host::bulk_copies.commit();
}
inline void cp_async_bulk_wait_read() {
    host::let_others_run();
    host::bulk_copies.wait(0);
}

template <int REGISTERS>
inline void setmaxnreg_inc() {}
template <int REGISTERS>
inline void setmaxnreg_dec() {}

inline void wgmma_fence() {}
inline void wgmma_commit() { host::products.commit(); }
template <int PENDING>
inline void wgmma_wait() {
    host::let_others_run();
    host::products.wait(PENDING);
}

template <bool BF16_OPERANDS, bool MN_MAJOR_A, bool MN_MAJOR_B, bool NEGATE_A = false, int COUNT>
inline void wgmma(float (&acc)[COUNT], unsigned long long a, unsigned long long b, bool accumulate) {
    const float sign = NEGATE_A ? -1 : 1;
    host::products.start({acc, 2 * COUNT, a, b, MN_MAJOR_A, MN_MAJOR_B, BF16_OPERANDS, accumulate, sign});
}
