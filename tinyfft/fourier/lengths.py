"""Fast lengths, which are products of small primes, and what a transform costs."""

from math import prod

RADIX_OPERATIONS = {2: 5.0, 3: 9.4, 5: 13.6, 7: 17.7}
"""Real operations per point of one butterfly stage, for each radix: the short DFT and its twiddles."""


def factorise(N: int) -> list[int]:
    """Return the prime factors 2, 3, 5 and 7 of N, in ascending order; their product is N only for a fast length."""
    factors = []
    for prime in (2, 3, 5, 7):
        while N % prime == 0:
            factors.append(prime)
            N //= prime
    return factors


def is_fast(N: int) -> bool:
    """Whether N is a product of 2, 3, 5 and 7 only."""
    return prod(factorise(N)) == N


def next_fast_length(N: int) -> int:
    """Return the smallest product of 2, 3, 5 and 7 that is at least N."""
    while not is_fast(N):
        N += 1
    return N


def fft_operations(N: int) -> float:
    """Return the real operations of one complex transform of a fast length."""
    return N * sum(RADIX_OPERATIONS[prime] for prime in factorise(N))
