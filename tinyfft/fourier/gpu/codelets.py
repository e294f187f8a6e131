"""Codelets: generate the DFT of one line, for each length, as straight-line code on registers.

`dft_source(N, known)` returns a C++ function that transforms N complex numbers in place. It reads only the first
`known`; the others are zeros. The generator omits operations with zero and products with 1, -1, i and -i. The inverse
transform is the same function with real and imaginary parts swapped before and after, which only renames registers.

A length is split into coprime factors while it has some (36 = 4 x 9: prime-factor algorithm, without twiddles), then
into primes (9 = 3 x 3: Cooley-Tukey, with twiddles). An odd prime p takes (p - 1)^2 / 4 products of pairs, so primes
beyond 7 work too.
Source  Good 1958 and Thomas 1963 (coprime factors), Cooley, Tukey 1965 (twiddles)
"""

import math
from functools import lru_cache

Number = str | None
"""A real number in the generated code: a variable's name, possibly with a minus before it; None is zero."""
Complex = tuple[Number, Number]


@lru_cache(maxsize=256)
def dft_source(N: int, known: int) -> str:
    """Return `__device__ void dft_N_known(real2 (&v)[N])`: v[k] = sum_{n < known} v[n] exp(-2 pi i k n / N)."""
    writer = _Writer()
    values = [(f"v[{n}].x", f"v[{n}].y") if n < known else (None, None) for n in range(N)]
    loaded = [tuple(writer.name(part) if part else None for part in value) for value in values]
    result = writer.dft(loaded)
    stores = [f"v[{k}] = make_real2({re or '0'}, {im or '0'});" for k, (re, im) in enumerate(result)]
    body = "\n    ".join(writer.lines + stores)
    return f"__device__ __forceinline__ void dft_{N}_{known}(real2 (&v)[{N}]) {{\n    {body}\n}}\n"


class _Writer:
    """Appends one line of code for each operation that remains, and returns the name of its result."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def name(self, expression: str) -> str:
        variable = f"t{len(self.lines)}"
        self.lines.append(f"const real {variable} = {expression};")
        return variable

    def dft(self, x: list[Complex]) -> list[Complex]:
        N = len(x)
        if N == 1:
            return x
        A = _coprime_factor(N)
        if A < N:
            return self._prime_factor(x, A, N // A)
        prime = next(p for p in range(2, N + 1) if N % p == 0)
        if prime < N:
            return self._cooley_tukey(x, prime, N // prime)
        return self._two(x) if N == 2 else self._odd_prime(x)

    def _prime_factor(self, x: list[Complex], A: int, B: int) -> list[Complex]:
        """n = B a + A b, k = a' B (1 / B mod A) + b' A (1 / A mod B): the exponent is a a' / A + b b' / B."""
        N = A * B
        rows = [self.dft([x[(B * a + A * b) % N] for b in range(B)]) for a in range(A)]
        columns = [self.dft([rows[a][b] for a in range(A)]) for b in range(B)]
        step_a, step_b = B * pow(B, -1, A), A * pow(A, -1, B)
        result: list[Complex] = [(None, None)] * N
        for a in range(A):
            for b in range(B):
                result[(a * step_a + b * step_b) % N] = columns[b][a]
        return result

    def _cooley_tukey(self, x: list[Complex], r: int, M: int) -> list[Complex]:
        """n = r m + s, k = j + M p: as textbook.py says."""
        parts = [self.dft(x[s::r]) for s in range(r)]
        result: list[Complex] = [(None, None)] * (r * M)
        for j in range(M):
            twiddled = [self._twiddle(parts[s][j], j * s, r * M) for s in range(r)]
            for p, value in enumerate(self.dft(twiddled)):
                result[j + M * p] = value
        return result

    def _two(self, x: list[Complex]) -> list[Complex]:
        (a, b), (c, d) = x
        return [(self._add(a, c), self._add(b, d)), (self._add(a, _minus(c)), self._add(b, _minus(d)))]

    def _odd_prime(self, x: list[Complex]) -> list[Complex]:
        """X[k], X[p-k] = x[0] + sum_n cos(w k n) (x[n] + x[p-n]) -+ i sin(w k n) (x[n] - x[p-n]), w = 2 pi / p."""
        p = len(x)
        pairs = [(self._two([x[n], x[p - n]])) for n in range(1, (p + 1) // 2)]
        total = x[0]
        for (re, im), _ in pairs:
            total = (self._add(total[0], re), self._add(total[1], im))
        result = [total] + [(None, None)] * (p - 1)
        for k in range(1, (p + 1) // 2):
            angles = [2 * math.pi * (k * n % p) / p for n in range(1, (p + 1) // 2)]
            cosines, sines = [math.cos(w) for w in angles], [math.sin(w) for w in angles]
            even = [self._dot(x[0][part], cosines, [total[part] for total, _ in pairs]) for part in (0, 1)]
            odd = [self._dot(None, sines, [difference[part] for _, difference in pairs]) for part in (0, 1)]
            result[k] = (self._add(even[0], odd[1]), self._add(even[1], _minus(odd[0])))
            result[p - k] = (self._add(even[0], _minus(odd[1])), self._add(even[1], odd[0]))
        return result

    def _twiddle(self, x: Complex, j: int, N: int) -> Complex:
        """Return x exp(-2 pi i j / N); powers of -i only swap and negate."""
        re, im = x
        quarters, rest = divmod(4 * (j % N), N)
        if rest == 0:
            return [(re, im), (im, _minus(re)), (_minus(re), _minus(im)), (_minus(im), re)][quarters]
        cos, sin = math.cos(2 * math.pi * j / N), math.sin(2 * math.pi * j / N)
        return self._dot(None, [cos, sin], [re, im]), self._dot(None, [cos, -sin], [im, re])

    def _dot(self, start: Number, factors: list[float], numbers: list[Number]) -> Number:
        """Return start + sum of factor * number: one multiply-add for each term."""
        total = start
        for factor, number in zip(factors, numbers, strict=True):
            if number is None:
                continue
            if number.startswith("-"):
                factor, number = -factor, number[1:]
            product = f"real({factor!r}) * {number}"
            total = self.name(product if total is None else f"{total} + {product}")
        return total

    def _add(self, a: Number, b: Number) -> Number:
        if a is None or b is None:
            return a if b is None else b
        return self.name(f"{a} - {b[1:]}" if b.startswith("-") else f"{a} + {b}")


def _minus(number: Number) -> Number:
    if number is None:
        return None
    return number[1:] if number.startswith("-") else f"-{number}"


def _coprime_factor(N: int) -> int:
    """Return the largest power of N's smallest prime that divides N; N itself if there is no other prime."""
    prime = next(p for p in range(2, N + 1) if N % p == 0)
    A = 1
    while N % prime == 0:
        A, N = A * prime, N // prime
    return A
