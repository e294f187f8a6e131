"""The engine: convolution as three products of three spectra. Its conventions, stated once.

Transform      x_hat[ky, kx] = sum_{y,x} x[y, x] exp(-2 pi i (ky y / Ny + kx x / Nx)); the inverse carries 1 / (Ny Nx).
Half spectra   Planes are real, so rows ky > Ny / 2 repeat the others; on a GPU y is the halved axis, on the CPU x. Only
               independent frequencies are stored, Q of about Ny Nx / 2 (frequencies.py), the halved axis outside.
Layout         Frequency first: x_hat (Q, S T, C P), w_hat (Q, F, C P), y_hat (Q, S T, F), T the tiles of an
               image, P the phases of a stride: tiles are more samples, phases more input maps (axis.py).
Numbers        complex, of the precision of the planes; for bf16 products of two bfloat16 each, as uint32, maps in whole
               blocks (bf16_blocks.cuh). On the CPU three real planes, re, im and re + im, (3 Q, ...) instead of
               (Q, ...), for each kx the ky of one plane after the other (cpu/matrix_dft.py).
Conjugation    w_hat and gy_hat are stored conjugated: no product of the three passes needs a conj (convolution.py).
Primitives     spectrum (planes -> half spectra), product (one matrix product a frequency), signal (half spectra ->
               planes). Each has a file here, which chooses between cpu/ and gpu/.

Source  Mathieu, Henaff, LeCun 2013, arXiv:1312.5851, section 2; the tables of products follow from the correlation
        theorem
"""
