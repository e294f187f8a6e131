/* Split-complex bf16. A line of complex numbers is stored in blocks of BF16_BLOCK numbers: first the 64 bytes of
   their real parts, then the 64 bytes of their imaginary parts, as tensor cores read them. The C type is unsigned,
   four bytes a number. Lines are whole blocks.

   In registers a lane holds one number, real part in the lower half, and its neighbour holds the next number or the one
   before. `exchange` makes the two words that memory holds: the real parts of both numbers on the even lane, the
   imaginary parts on the odd lane. A second `exchange` undoes the first. */
#pragma once
#include "device.cuh"

constexpr int BF16_BLOCK = 32;

/* Exchange two numbers of each lane, or two words, with one shuffle. */
DEVICE void exchange(unsigned& first, unsigned& second) {
    const bool odd = threadIdx.x % 2;
    const unsigned other = shfl_xor_1(byte_perm(first, second, odd ? 0x5410 : 0x7632));
    first = byte_perm(first, other, odd ? 0x3254 : 0x5410);
    second = byte_perm(second, other, odd ? 0x3276 : 0x7610);
}

/* The offset in a line of the word that the lane of number i holds: even lanes fill a block's first half, odd lanes the
   second. */
DEVICE unsigned long long word_offset(unsigned long long i) {
    return i / BF16_BLOCK * BF16_BLOCK + i % 2 * (BF16_BLOCK / 2) + i % BF16_BLOCK / 2;
}
