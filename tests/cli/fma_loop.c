/* Independent chains of vector multiply-adds in registers, one thread a core; compiled for this machine. */
#include "fma_loop.h"

#include "tool.h"

#include <pthread.h>

#if defined(__AVX512F__)
enum { LANES = 16, CHAINS = 16 };
#elif defined(__AVX__)
enum { LANES = 8, CHAINS = 12 };
#else
enum { LANES = 4, CHAINS = 12 };
#endif
enum { ROUNDS = 2000000, MAX_THREADS = 256 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

static void *run_chains(void *result)
{
    lanes sum[CHAINS], factor, term;
    for (int lane = 0; lane < LANES; lane++) {
        factor[lane] = 0.999f;
        term[lane] = 0.001f;
    }
    for (int i = 0; i < CHAINS; i++) {
        sum[i] = term * (float)i;
    }
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * factor + term;
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        sum[0] += sum[i];
    }
    *(volatile float *)result = sum[0][0] + sum[0][LANES - 1];
    return NULL;
}

double fma_loop_measure(int threads)
{
    pthread_t started[MAX_THREADS];
    float results[MAX_THREADS];
    int count = 0;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    double start = tool_seconds();
    while (count < threads && !pthread_create(&started[count], NULL, run_chains, &results[count])) {
        count++;
    }
    for (int i = 0; i < count; i++) {
        pthread_join(started[i], NULL);
    }
    double seconds = tool_seconds() - start;
    return count < threads ? 0 : 2e-9 * ROUNDS * CHAINS * LANES * threads / seconds;
}
