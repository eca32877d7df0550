/* Compresses in parallel; see gzip.h. Data is cut into jobs of a fixed size; workers take them in order, and
 * the caller's thread writes what they made in order. Workers keep at most SLOTS jobs a worker ahead of it, so
 * that memory stays bounded whatever the size of the data. */
#include "files/gzip.h"

#include "files/deflate.h"

#include <errno.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Level 2 compresses filtered voxels as far as gzip -6 does, and is as fast as level 1. */
enum { JOB = 64 * DEFLATE_PIECE, SLOTS = 3, MOST_THREADS = 16, LEVEL = 2 };

/* A job that was, or is being, compressed. */
typedef struct slot {
    unsigned char *bytes;
    size_t count;
    bool ready;
} slot;

/* All but `lock` and the conditions is either constant while workers run or guarded by `lock`. */
typedef struct pool {
    const gzip_part *parts;
    int part_count;
    int64_t jobs, taken, written;
    int slot_count, threads;
    slot slots[SLOTS * MOST_THREADS];
    bool stopped;
    pthread_mutex_t lock;
    pthread_cond_t made, freed;
} pool;

typedef struct worker {
    pool *pool;
    struct libdeflate_compressor *compressor;
    pthread_t thread;
} worker;

static int64_t jobs_of(const gzip_part *part)
{
    return part->bytes / JOB + (part->bytes % JOB != 0);
}

/* The data of a job. No job spans two parts. */
static gzip_part job_data(const pool *p, int64_t job)
{
    const gzip_part *part = p->parts;
    for (; job >= jobs_of(part); part++)
        job -= jobs_of(part);
    int64_t left = part->bytes - job * JOB;
    return (gzip_part){(const char *)part->data + job * JOB, left < JOB ? left : JOB};
}

static void compress_job(worker *w, int64_t job)
{
    gzip_part data = job_data(w->pool, job);
    slot *s = &w->pool->slots[job % w->pool->slot_count];
    const unsigned char *from = data.data;
    s->count = 0;
    for (size_t left = (size_t)data.bytes, piece; left > 0; from += piece, left -= piece) {
        piece = left < DEFLATE_PIECE ? left : DEFLATE_PIECE;
        s->count += deflate_piece(w->compressor, from, piece, s->bytes + s->count);
    }
}

static void *work(void *argument)
{
    worker *w = argument;
    pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    while (!p->stopped && p->taken < p->jobs) {
        if (p->taken - p->written >= p->slot_count) {
            pthread_cond_wait(&p->freed, &p->lock);
            continue;
        }
        int64_t job = p->taken++;
        pthread_mutex_unlock(&p->lock);
        compress_job(w, job);
        pthread_mutex_lock(&p->lock);
        p->slots[job % p->slot_count].ready = true;
        pthread_cond_signal(&p->made);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static bool write_bytes(FILE *file, const void *bytes, size_t count)
{
    return fwrite(bytes, 1, count, file) == count;
}

static bool write_job(pool *p, FILE *file, int64_t job, uint32_t *checksum)
{
    gzip_part data = job_data(p, job);
    slot *s = &p->slots[job % p->slot_count];
    pthread_mutex_lock(&p->lock);
    while (!s->ready)
        pthread_cond_wait(&p->made, &p->lock);
    pthread_mutex_unlock(&p->lock);
    *checksum = libdeflate_crc32(*checksum, data.data, (size_t)data.bytes);
    bool good = write_bytes(file, s->bytes, s->count);
    pthread_mutex_lock(&p->lock);
    s->ready = false;
    p->written++;
    p->stopped = !good;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
    return good;
}

static void put_32_bits(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> 8 * i & 0xff);
}

/* Workers without a thread of their own are the caller's: it makes each job before it writes it. */
static bool write_stream(pool *p, worker *w, FILE *file)
{
    /* No name and no time, so that the same data gives the same file; 4: the fastest way; 255: no system. */
    static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255};
    unsigned char end[10] = {3, 0}; /* a final block without data; the checksum; the size modulo 2^32 */
    uint32_t checksum = libdeflate_crc32(0, NULL, 0), size = 0;
    bool good = write_bytes(file, header, sizeof header);
    for (int64_t job = 0; job < p->jobs && good; job++) {
        if (p->threads == 0) {
            compress_job(w, job);
            p->slots[job % p->slot_count].ready = true;
        }
        good = write_job(p, file, job, &checksum);
    }
    for (int i = 0; i < p->part_count; i++)
        size += (uint32_t)(p->parts[i].bytes & UINT32_MAX);
    put_32_bits(end + 2, checksum);
    put_32_bits(end + 6, size);
    return good && write_bytes(file, end, sizeof end);
}

/* Threads that cannot be had are done without. */
static bool run_workers(pool *p, worker *workers, int count, FILE *file)
{
    while (count > 1 && p->threads < count) {
        worker *w = &workers[p->threads];
        if (pthread_create(&w->thread, NULL, work, w) != 0) break;
        p->threads++;
    }
    bool good = write_stream(p, workers, file);
    int kept = errno;
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->threads; i++)
        pthread_join(workers[i].thread, NULL);
    errno = kept;
    return good;
}

static int choose_threads(int wanted, int64_t jobs)
{
    long count = wanted > 0 ? wanted : sysconf(_SC_NPROCESSORS_ONLN);
    if (count > jobs) count = (long)jobs;
    if (count > MOST_THREADS) count = MOST_THREADS;
    return count < 1 ? 1 : (int)count;
}

static bool allocate(pool *p, worker *workers, int count)
{
    p->slot_count = SLOTS * count;
    for (int i = 0; i < p->slot_count; i++) {
        p->slots[i].bytes = malloc(deflate_room(JOB));
        if (p->slots[i].bytes == NULL) return false;
    }
    for (int i = 0; i < count; i++) {
        workers[i] = (worker){.pool = p, .compressor = libdeflate_alloc_compressor(LEVEL)};
        if (workers[i].compressor == NULL) return false;
    }
    return true;
}

bool gzip_write(FILE *file, const gzip_part *parts, int count, int threads)
{
    pool p = {.parts = parts, .part_count = count};
    worker workers[MOST_THREADS] = {{0}};
    for (int i = 0; i < count; i++)
        p.jobs += jobs_of(&parts[i]);
    threads = choose_threads(threads, p.jobs);
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.made, NULL);
    pthread_cond_init(&p.freed, NULL);
    bool good = allocate(&p, workers, threads);
    if (good)
        good = run_workers(&p, workers, threads, file);
    else
        errno = ENOMEM;
    int kept = errno;
    for (int i = 0; i < threads; i++)
        libdeflate_free_compressor(workers[i].compressor);
    for (int i = 0; i < p.slot_count; i++)
        free(p.slots[i].bytes);
    pthread_cond_destroy(&p.freed);
    pthread_cond_destroy(&p.made);
    pthread_mutex_destroy(&p.lock);
    errno = kept;
    return good;
}
