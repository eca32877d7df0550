/* Prints the memory bandwidth of copying in GB/s, bytes read plus bytes written: each thread copies a part of
 * an array that no cache holds, and the best of the repetitions counts. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 256, REPETITIONS = 12 };
static const size_t total_bytes = (size_t)512 << 20;

typedef struct part {
    char *from, *to;
    size_t bytes;
    pthread_barrier_t *barrier; /* passed before and after each repetition */
} part;

static void *copy_part(void *argument)
{
    const part *p = argument;
    memset(p->from, 1, p->bytes);
    memset(p->to, 0, p->bytes);
    for (int i = 0; i < REPETITIONS; i++) {
        pthread_barrier_wait(p->barrier);
        memcpy(p->to, p->from, p->bytes);
        pthread_barrier_wait(p->barrier);
    }
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double best_time(pthread_barrier_t *barrier)
{
    double best = 0;
    for (int i = 0; i < REPETITIONS; i++) {
        pthread_barrier_wait(barrier);
        double start = now();
        pthread_barrier_wait(barrier);
        double seconds = now() - start;
        if (i == 0 || seconds < best) best = seconds;
    }
    return best;
}

int main(int argc, char **argv)
{
    long threads = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: %s THREADS, 1 to %d\n", argv[0], MAX_THREADS);
        return 2;
    }
    size_t bytes = total_bytes / (size_t)threads;
    char *memory = malloc(2 * total_bytes);
    if (!memory) {
        fprintf(stderr, "host memory is exhausted\n");
        return EXIT_FAILURE;
    }
    pthread_t ids[MAX_THREADS];
    part parts[MAX_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    for (size_t i = 0; i < (size_t)threads; i++) {
        parts[i] = (part){memory + i * bytes, memory + total_bytes + i * bytes, bytes, &barrier};
        if (pthread_create(&ids[i], NULL, copy_part, &parts[i])) {
            fprintf(stderr, "a thread could not be started\n");
            exit(EXIT_FAILURE);
        }
    }
    double seconds = best_time(&barrier);
    for (long i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    printf("%.2f\n", 1e-9 * 2 * (double)bytes * (double)threads / seconds);
    pthread_barrier_destroy(&barrier);
    free(memory);
    return EXIT_SUCCESS;
}
