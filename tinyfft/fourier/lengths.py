"""Fast lengths: those that a fast Fourier transform takes apart into small primes, and what a transform costs."""

from math import prod

RADIX_OPERATIONS = {2: 5.0, 3: 9.4, 5: 13.6, 7: 17.7}
"""Real operations a point of one butterfly stage: additions and multiplications of the short DFT, and twiddles."""


def factorise(N: int) -> list[int]:
    """The prime factors of N that are 2, 3, 5 or 7, in ascending order; their product is N only for a fast length."""
    factors = []
    for prime in (2, 3, 5, 7):
        while N % prime == 0:
            factors.append(prime)
            N //= prime
    return factors


def is_fast(N: int) -> bool:
    """Whether N is a product of 2, 3, 5 and 7 alone."""
    return prod(factorise(N)) == N


def next_fast_length(N: int) -> int:
    """The smallest product of 2, 3, 5 and 7 that is at least N."""
    while not is_fast(N):
        N += 1
    return N


def fft_operations(N: int) -> float:
    """Real operations of one complex transform of a fast length."""
    return N * sum(RADIX_OPERATIONS[prime] for prime in factorise(N))
