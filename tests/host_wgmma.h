/* What sm_90a alone has, on a machine without it: kernels/warpgroup.cuh's functions, which it leaves to this header.

   Products are done, and copies out, when they are waited for, after the others have had their turns: who fills their
   memory anew before that spoils them. Copies in are done when their barrier is waited for, but spoil at once what was
   there. Fences do nothing here, nor do registers. */
#define HOST_WARPGROUP

struct TensorMap;

inline size_t __cvta_generic_to_shared(const void* pointer) { return static_cast<const char*>(pointer) - host::shared; }

namespace host {
/* A barrier in the 64 bits that the kernel has for it. */
struct Barrier {
    short count, missing;
    unsigned phase : 1, bytes : 31;

    void settle() {
        if (missing == 0 && bytes == 0) missing = count, phase ^= 1;
    }
};

/* A box on its way: what a tensor map holds here (host_gpu.boxes), and its places. */
struct CopyIn {
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
            stuck |= inside && from >= reinterpret_cast<const char*>(map[0]) + sizes[4] * strides[3]; /* beyond the array */
            unsigned place = to - shared + 2 * i;
            place ^= place >> 3 & 0x30;
            *reinterpret_cast<unsigned short*>(shared + place) = inside ? *reinterpret_cast<const unsigned short*>(from) : 0;
        }
        stuck |= barrier->bytes < bytes(); /* which the barrier does not wait for */
        barrier->bytes -= bytes();
        barrier->settle();
    }
};

static std::vector<CopyIn> copies_in;

static void copy_for(Barrier* barrier) {
    std::vector<CopyIn> later;
    for (const CopyIn& copy : copies_in)
        if (copy.barrier == barrier) copy.run();
        else later.push_back(copy);
    copies_in = later;
}

/* A thread's part of a product by four warps: two rows, and of each eight columns two. */
struct Product {
    float* sums;
    int columns; /* of the whole product */
    unsigned long long a, b;
    bool turned_a, turned_b, of_bf16, more;
    float sign;

    /* A number of an operand, as warpgroup.cuh says where it lies. */
    float number(unsigned long long descriptor, bool turned, int outer, int depth) const {
        const unsigned first = (descriptor & 0x3FFF) << 4, low = (descriptor >> 16 & 0x3FFF) << 4;
        const unsigned high = (descriptor >> 32 & 0x3FFF) << 4, swizzle = descriptor >> 62;
        unsigned place;
        if (swizzle == 2) {
            place = turned ? outer / 32 * low + depth / 8 * high + depth % 8 * 64 + outer % 32 * 2
                           : outer / 8 * high + outer % 8 * 64 + depth * 2;
            place += first, place ^= place >> 3 & 0x30;
        } else {
            const int inside = turned ? depth % 8 * 16 + outer % 8 * 2 : outer % 8 * 16 + depth % 8 * 2;
            place = first + depth / 8 * low + outer / 8 * high + inside;
        }
        const unsigned short bits = *reinterpret_cast<const unsigned short*>(shared + place);
        return of_bf16 ? __uint_as_float(static_cast<unsigned>(bits) << 16) : from_half(bits);
    }

    void run() const {
        const int lane = threadIdx.x % 32, row = threadIdx.x / 32 % 4 * 16 + lane / 4;
        float rows[2][16];
        for (int i = 0; i < 2; ++i)
            for (int k = 0; k < 16; ++k) rows[i][k] = sign * number(a, turned_a, row + 8 * i, k);
        for (int j = 0; j < columns / 4; ++j) {
            const int column = j / 2 * 8 + lane % 4 * 2 + j % 2;
            float& upper = sums[j / 2 * 4 + j % 2];
            float& lower = sums[j / 2 * 4 + j % 2 + 2];
            double first = more ? upper : 0, second = more ? lower : 0;
            for (int k = 0; k < 16; ++k) {
                const double right = number(b, turned_b, column, k);
                first += rows[0][k] * right, second += rows[1][k] * right;
            }
            upper = first, lower = second;
        }
    }
};

static Later<Product> products;
static Later<Copy> copies_out;

static void forget() {
    stuck |= !copies_in.empty(); /* they would still write when the next block has the memory */
    copies_ahead.forget(), products.forget(), copies_out.forget(), copies_in.clear();
}
}  // namespace host

namespace warpgroup {
inline void begin_barrier(unsigned long long* barrier, int count) {
    *reinterpret_cast<host::Barrier*>(barrier) = {static_cast<short>(count), static_cast<short>(count), 0, 0};
}
inline void arrive_expecting(unsigned long long* barrier, int bytes) {
    host::Barrier& of = *reinterpret_cast<host::Barrier*>(barrier);
    of.bytes += bytes, --of.missing;
    of.settle();
}
inline void arrive(unsigned long long* barrier) { arrive_expecting(barrier, 0); }
inline void copy_in(void* to, const TensorMap& from, int i, int j, int k, int l, int m, unsigned long long* barrier) {
    host::CopyIn copy = {static_cast<char*>(to), {}, {i, j, k, l, m}, reinterpret_cast<host::Barrier*>(barrier)};
    host::stuck |= (copy.to - host::shared) % 128 != 0;
    memcpy(copy.map, &from, sizeof(copy.map));
    memset(to, 0xFF, copy.bytes()); /* whoever has not read what was there is too late */
    host::copies_in.push_back(copy);
}
inline void wait(unsigned long long* barrier, int phase) {
    host::Barrier* of = reinterpret_cast<host::Barrier*>(barrier);
    host::wait_until([&] {
        host::copy_for(of);
        return of->phase != phase;
    });
}

inline void publish() {}
inline void copy_out(void* to, const void* from, int bytes) {
    host::check_alignment(16, to, from, bytes);
    host::copies_out.begin({to, from, bytes});
    host::copies_out.end_group();
}
inline void wait_for_copies_out() {
    host::let_others_run();
    host::copies_out.finish(0);
}

template <int REGISTERS>
inline void take_registers() {}
template <int REGISTERS>
inline void leave_registers() {}

inline void begin() {}
inline void end_group() { host::products.end_group(); }
template <int LATER>
inline void wait_for_groups() {
    host::let_others_run();
    host::products.finish(LATER);
}

template <bool OF_BF16, bool TURNED_A, bool TURNED_B, bool NEGATIVE = false, int COUNT>
inline void multiply(float (&sums)[COUNT], unsigned long long a, unsigned long long b, bool more) {
    host::products.begin({sums, 2 * COUNT, a, b, TURNED_A, TURNED_B, OF_BF16, more, NEGATIVE ? -1.0f : 1.0f});
}
}  // namespace warpgroup
