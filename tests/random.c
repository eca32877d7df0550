/* SplitMix64: see random.h. */
#include "random.h"

uint64_t random_next(random_state *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t random_between(random_state *r, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)(high - low) + 1;
    return low + (int64_t)((random_next(r) >> 11) % span);
}

int64_t random_pick(random_state *r, const int64_t *values, int64_t count)
{
    return values[random_between(r, 0, count - 1)];
}

void random_integers(random_state *r, double *values, int64_t count, int64_t limit)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)random_between(r, -limit, limit);
}

void random_reals(random_state *r, double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)random_between(r, -(1 << 23), (1 << 23) - 1) / (1 << 23);
}
