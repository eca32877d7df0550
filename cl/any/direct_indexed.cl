/* Direct convolution without workspace: reads input and weight where they are and finds padded elements by
 * index arithmetic.
 *
 * A work-item computes OUT_CHANNELS channels of one segment of an output row:
 *
 *     row y:   | segment 0 | segment 1 | ... |      segment = VECTOR_WIDTH columns (of each of LOCAL_SIZE
 * work-items)
 *
 * A tap whose columns all lie inside the input row is one vector load (stride 1) or a gather; one that
 * touches a border maps each lane. Every output is one sum in the fixed order channel, kd, kh, kw.
 *   OUT_CHANNELS  1 to 16
 *   VECTOR_WIDTH  1 to 16
 *   LOCAL_SIZE    1 to 256
 *
 * Index space: work-groups (blocks of output channels, segments, rows). Cost: 2 * K FLOPs an output; reads a
 * row of the input for each kd, kh and block that does not find it in cache, and the weights with a stride of
 * group_in * taps.
 */
#include "arguments/direct_indexed.clh"
#include "common/epilogue.clh"
#include "common/padding.clh"
#include "common/partial_sums.clh"
#include "common/types.clh"

/* VECTOR_WIDTH elements of a row for output columns that start at input column `x` and are `stride` apart;
 * lanes from `lanes` on are past the output row. */
static inline realv load_columns(global const real *row, const long x, const long stride, const long width,
                                 const long mode, const int lanes)
{
#if VECTOR_WIDTH == 1
    const long i = lanes > 0 ? padding_source(mode, x, width) : -1;
    return i < 0 ? 0 : row[i];
#else
    const bool inside = x >= 0 && x + (VECTOR_WIDTH - 1) * stride < width;
    if (inside && stride == 1) return vector_load(row + x);
    real lane[VECTOR_WIDTH];
    for (int l = 0; l < VECTOR_WIDTH; l++) {
        const long i = inside ? x + l * stride : l < lanes ? padding_source(mode, x + l * stride, width) : -1;
        lane[l] = i < 0 ? 0 : row[i];
    }
    return lanes_load(lane);
#endif
}

static inline void store_columns(const realv sum, global real *out, const epilogue e, const int lanes)
{
    const realv value = epilogue_early(sum, e);
#if VECTOR_WIDTH == 1
    if (lanes > 0) *out = epilogue_late(value, e, 0);
#else
    if (lanes >= VECTOR_WIDTH) {
        vector_store(epilogue_late(value, e, 0), out);
        return;
    }
    real lane[VECTOR_WIDTH];
    lanes_store(value, lane);
    for (int l = 0; l < lanes; l++)
        out[l] = epilogue_late_one(lane[l], e, l);
#endif
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
direct_indexed(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
               TENSOR(real, output) EPILOGUE_TENSOR DIRECT_INDEXED_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const long taps = kernel_d * kernel_h * kernel_w;
    const long filter = group_in * taps, run = run_of_taps(taps);
    const bool is_long = filter > run;
    for (long row = WORK_GROUP(2); row < rows; row += WORK_GROUPS(2)) {
        const long oh = row % out_height, od = row / out_height % out_depth, n = row / out_height / out_depth;
        for (long segment = WORK_GROUP(1); segment < segments; segment += WORK_GROUPS(1)) {
            const long ow = (segment * LOCAL_SIZE + get_local_id(0)) * VECTOR_WIDTH;
            const int lanes = (int)clamp(out_width - ow, 0L, (long)VECTOR_WIDTH);
            for (long block = WORK_GROUP(0); block < blocks; block += WORK_GROUPS(0)) {
                const long group = block / group_blocks;
                const long first_out = block % group_blocks * OUT_CHANNELS;
                const long out_channel = group * group_out + first_out;
                const int channels = (int)min((long)OUT_CHANNELS, group_out - first_out);

                realv acc[OUT_CHANNELS], totals[SUM_LEVELS][OUT_CHANNELS];
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
                    acc[o] = (realv)(has_bias && o < channels ? TENSOR_START(bias)[out_channel + o] : 0);

                long ended = 0, products = 0; /* runs; of this one */
                if (is_long) start_totals(acc, totals[0], OUT_CHANNELS, 1, 1);
                for (long c = 0; c < group_in; c++) {
                    global const real *volume =
                        TENSOR_START(input) + ((n * groups + group) * group_in + c) * depth * height * width;
                    global const real *tap = TENSOR_START(weight) + out_channel * filter + c * taps;
                    for (long k = 0; k < kernel_d * kernel_h; k++, tap += kernel_w) {
                        const long z = padding_source(
                            mode, od * stride_d + k / kernel_h * dilation_d - pad_depth, depth);
                        const long y = padding_source(
                            mode, oh * stride_h + k % kernel_h * dilation_h - pad_height, height);
                        const bool is_zero = z < 0 || y < 0;
                        if (is_zero && !multiply_zeros) continue;
                        global const real *line = volume + (is_zero ? 0 : (z * height + y) * width);
                        for (long kw = 0; kw < kernel_w; kw++) {
                            const long x = ow * stride_w + kw * dilation_w - pad_width;
                            const realv column =
                                is_zero ? (realv)0 : load_columns(line, x, stride_w, width, mode, lanes);
                            if (products++ == run) {
                                end_run(acc, totals[0], OUT_CHANNELS, 1, 1, ended++);
                                products = 1;
                            }
#pragma unroll
                            for (int o = 0; o < OUT_CHANNELS; o++)
                                if (o < channels) acc[o] = (realv)tap[o * filter + kw] * column + acc[o];
                        }
                    }
                }
                if (is_long) add_totals(acc, totals[0], OUT_CHANNELS, 1, 1, ended);
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++) {
                    const long channel = n * groups * group_out + out_channel + o;
                    const long at = ((channel * out_depth + od) * out_height + oh) * out_width + ow;
                    if (o < channels)
                        store_columns(acc[o], TENSOR_START(output) + at, EPILOGUE_AT(at), lanes);
                }
            }
        }
    }
}
