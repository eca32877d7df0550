/* Independent chains of vector multiply-adds in registers, one thread a core; compiled for this machine. Each
 * thread is measured by the time it had on its core, so what else runs takes nothing from the figure. */
#include "fma_loop.h"

#include "common/tool.h"

#include <pthread.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16, CHAINS = 16 };
#elif defined(__AVX__)
enum { LANES = 8, CHAINS = 12 };
#else
enum { LANES = 4, CHAINS = 12 };
#endif
enum { ROUNDS = 10000000, MAX_THREADS = 256 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

typedef struct chains {
    pthread_t thread;
    float result;
    double seconds; /* on a core */
} chains;

static double core_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *run_chains(void *argument)
{
    chains *c = argument;
    double start = core_seconds();
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
    *(volatile float *)&c->result = sum[0][0] + sum[0][LANES - 1];
    c->seconds = core_seconds() - start;
    return NULL;
}

double fma_loop_measure(int threads)
{
    chains started[MAX_THREADS];
    int count = 0;
    double gflops = 0;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    while (count < threads && !pthread_create(&started[count].thread, NULL, run_chains, &started[count])) {
        count++;
    }
    for (int i = 0; i < count; i++) {
        pthread_join(started[i].thread, NULL);
        gflops += 2e-9 * ROUNDS * CHAINS * LANES / started[i].seconds;
    }
    return count < threads ? 0 : gflops;
}
