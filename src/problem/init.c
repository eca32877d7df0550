/* torch.nn.Conv3d's initialisation, bit for bit: Mersenne Twister 19937 (Matsumoto and Nishimura, ACM TOMACS
 * 8(1), 1998) seeded with the low 32 bits of the seed; u = the low 24 bits of a draw times 2^-24; value =
 * fma(u, b - -b, -b) with b = (float)sqrt(k). */
#include "base/arith.h"
#include "base/error.h"

#include <math.h>

enum { STATE = 624, SHIFT = 397 };

typedef struct twister {
    uint32_t state[STATE];
    int next;
} twister;

static void twister_seed(twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < STATE; i++)
        t->state[i] = 1812433253u * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
    t->next = STATE;
}

static void twister_advance(twister *t)
{
    for (int i = 0; i < STATE; i++) {
        uint32_t y = (t->state[i] & 0x80000000u) | (t->state[(i + 1) % STATE] & 0x7fffffffu);
        t->state[i] = t->state[(i + SHIFT) % STATE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->next = 0;
}

static uint32_t twister_draw(twister *t)
{
    if (t->next == STATE) twister_advance(t);
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

static void fill_uniform(twister *t, float bound, float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        float u = (float)(twister_draw(t) & 0xffffffu) * 0x1p-24f;
        values[i] = fmaf(u, bound - -bound, -bound);
    }
}

clconv_status clconv_init_uniform(const int64_t weight_shape[5], uint64_t seed, float *weight, float *bias,
                                  clconv_error *err)
{
    static const char *const names[] = {"out_channels", "in_channels / groups", "kD", "kH", "kW"};
    if (weight_shape == NULL || weight == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL",
                         weight_shape == NULL ? "weight_shape" : "weight");
    for (int i = 0; i < 5; i++)
        if (weight_shape[i] <= 0)
            return error_set(err, CLCONV_INVALID_ARGUMENT, "weight_shape: %s is %lld; it must be positive",
                             names[i], (long long)weight_shape[i]);
    int64_t elements, bytes;
    if (!size_product(weight_shape, 5, &elements) || !size_multiply(elements, (int64_t)sizeof(float), &bytes))
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "weight_shape: the weight would have more than 2^63 bytes");
    twister t;
    twister_seed(&t, (uint32_t)seed);
    float bound = (float)sqrt(1.0 / (double)(elements / weight_shape[0]));
    fill_uniform(&t, bound, weight, elements);
    if (bias != NULL) fill_uniform(&t, bound, bias, weight_shape[0]);
    return CLCONV_SUCCESS;
}
