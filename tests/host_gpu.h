/* Run CUDA C++ on a machine without a GPU: the unchanged kernels, compiled as C++, one block at a time.

   Each thread of a block is a coroutine with its own stack. It runs until it must wait for other threads; then the next
   thread runs. So a read that lacks a barrier always comes before the write. Shared memory begins as NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <utility>
#include <vector>

#define __global__ static
#define __device__
#define DEVICE inline
#define __forceinline__ inline
#define __restrict__
#define __grid_constant__
#define __launch_bounds__(...)
#define SHARED(type, name) type* name = reinterpret_cast<type*>(host::shared)

struct float2 {
    float x, y;
};
struct double2 {
    double x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct uint3 {
    unsigned x, y, z;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned __int128>(a) * b >> 64;
}
inline double atomicAdd(double* target, double value) { /* one thread runs at a time */
    const double before = *target;
    *target += value;
    return before;
}
inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}
inline unsigned to_bf16(float x) { /* to the nearest, ties to even; NaN stays NaN */
    const unsigned bits = __float_as_uint(x);
    return x != x ? 0x7FFF : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}
inline unsigned to_bf16x2(float first, float second) { return to_bf16(first) | to_bf16(second) << 16; }
inline float2 from_bf16x2(unsigned both) { return {__uint_as_float(both << 16), __uint_as_float(both & 0xFFFF0000)}; }
inline float multiply_then_add(float x, float factor, float offset) { return x * factor + offset; }
inline double multiply_then_add(double x, double factor, double offset) { return x * factor + offset; }
static uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace host {
static const size_t STACK = 256 * 1024;
static char *shared, *stacks, *done;
static void (*body)();
static void** arguments; /* a pointer to each argument, as for a launch on a GPU */
static ucontext_t scheduler, *threads;
static unsigned current, ended;

template <typename... Types, size_t... I>
static void call(void (*kernel)(Types...), std::index_sequence<I...>) {
    kernel(*static_cast<Types*>(arguments[I])...);
}

template <typename... Types>
static void call(void (*kernel)(Types...)) {
    call(kernel, std::index_sequence_for<Types...>{});
}

static void run_thread() {
    body();
    done[current] = true;
    ++ended;
}

static void forget(); /* drop the copies and products that the previous block did not wait for */

/* A block that waits for ever, or that makes an unaligned copy, is aborted: its remaining output is not written. */
static const int MAX_ROUNDS = 2000;
static bool stuck;

/* Threads at the block's barrier, barriers completed, and arrivals so far at each warp's barrier. */
static unsigned at_barrier, barriers, at_warps[32];

static void run_block(size_t shared_bytes) {
    memset(shared, 0xFF, shared_bytes);
    memset(done, false, blockDim.x);
    memset(at_warps, 0, sizeof(at_warps));
    stuck = false, ended = at_barrier = 0;
    forget();
    for (unsigned t = 0; t < blockDim.x; ++t) {
        getcontext(&threads[t]);
        threads[t].uc_stack.ss_sp = stacks + t * STACK;
        threads[t].uc_stack.ss_size = STACK;
        threads[t].uc_link = &scheduler;
        makecontext(&threads[t], run_thread, 0);
    }
    for (bool running = true; running && !stuck;) {
        running = false;
        for (current = 0; current < blockDim.x && !stuck; ++current) {
            if (done[current]) continue;
            threadIdx = {current, 0, 0};
            swapcontext(&scheduler, &threads[current]);
            running |= !done[current];
        }
    }
}

static void run_grid(unsigned x, unsigned y, unsigned threads_of_block, size_t shared_bytes, void (*kernel)()) {
    gridDim = {x, y, 1};
    blockDim = {threads_of_block, 1, 1};
    body = kernel;
    shared = static_cast<char*>(malloc(shared_bytes));
    stacks = static_cast<char*>(malloc(STACK * threads_of_block));
    done = static_cast<char*>(malloc(threads_of_block));
    threads = static_cast<ucontext_t*>(malloc(sizeof(ucontext_t) * threads_of_block));
    for (unsigned j = 0; j < y; ++j)
        for (unsigned i = 0; i < x; ++i) {
            blockIdx = {i, j, 0};
            run_block(shared_bytes);
        }
    free(shared), free(stacks), free(done), free(threads);
}
}  // namespace host

namespace host {
/* Let the other threads run until the condition is met. */
template <typename Condition>
static void wait_until(Condition met) {
    const unsigned me = current;
    for (int round = 0; round == 0 || !met(); ++round) {
        stuck |= round == MAX_ROUNDS;
        swapcontext(&threads[me], &scheduler);
        threadIdx = {me, 0, 0};
    }
}
/* Let the other threads run until they can go no further. */
inline void let_others_run() {
    for (int round = 0; round < 10; ++round) wait_until([] { return true; });
}
inline void check_alignment(size_t bytes, const void* to, const void* from, size_t count) {
    stuck |= (reinterpret_cast<size_t>(to) | reinterpret_cast<size_t>(from) | count) % bytes != 0;
}
}  // namespace host

inline void __syncthreads() {
    const unsigned before = host::barriers;
    ++host::at_barrier;
    host::wait_until([&] {
        const bool last = host::barriers == before && host::at_barrier + host::ended >= blockDim.x;
        if (last) host::at_barrier = 0, ++host::barriers;
        return host::barriers != before;
    });
}
/* A lane that never arrives leaves the other lanes stuck. */
inline void __syncwarp() {
    unsigned& count = host::at_warps[threadIdx.x / 32];
    const unsigned all = count / 32 * 32 + 32;
    ++count;
    host::wait_until([&] { return count >= all; });
}

template <typename Real>
inline Real relu(Real x) { return x < 0 ? 0 : x; }
inline unsigned byte_perm(unsigned first, unsigned second, unsigned selector) {
    const unsigned long long both = first | (unsigned long long)second << 32;
    unsigned bytes = 0;
    for (int i = 0; i < 4; ++i) bytes |= (both >> 8 * (selector >> 4 * i & 7) & 0xFF) << 8 * i;
    return bytes;
}
/* The values of the threads, those of the calling warp being new. All lanes of the warp must call it. There are two
   buffers: a reader may be one exchange behind a writer. */
inline const unsigned* exchanged(unsigned value) {
    static unsigned values[2][1024];
    static char buffers[1024];
    unsigned* given = values[buffers[threadIdx.x] ^= 1];
    given[threadIdx.x] = value;
    __syncwarp();
    return given;
}
inline unsigned shfl_xor_1(unsigned value) { return exchanged(value)[threadIdx.x ^ 1]; }

#include "host_mma.h"
#include "host_wgmma.h"
