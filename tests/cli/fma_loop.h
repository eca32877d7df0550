/* The rate of fused multiply-adds of a plain C loop, for comparison with the tool's OpenCL kernel. */
#ifndef CLCONV_TESTS_FMA_LOOP_H
#define CLCONV_TESTS_FMA_LOOP_H

/* GFLOP/s of `threads` threads together, some 50 ms each; 0 if they could not be started. */
double fma_loop_measure(int threads);

#endif
