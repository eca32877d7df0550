/* The device's rate of fused multiply-adds: CHAINS independent chains of VECTOR in each work-item, enough to
 * hide the latency of one, few enough to stay in registers. All of them end in what is stored, so no compiler
 * may leave one out; the factor below 1 keeps them finite. */
#ifndef VECTOR
#define VECTOR float16 /* the device's native width */
#endif
#ifndef CHAINS
#define CHAINS 16
#endif

kernel void peak(global VECTOR *result, float factor, float term, int rounds)
{
    VECTOR sum[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) {
        sum[i] = (VECTOR)((float)i);
    }
    for (int round = 0; round < rounds; round++) {
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * factor + term;
        }
    }
#pragma unroll
    for (int i = 1; i < CHAINS; i++) {
        sum[0] += sum[i];
    }
    result[get_global_id(0)] = sum[0];
}
