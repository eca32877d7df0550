/* Unfolds the input into panels: for PANEL neighbouring output positions, the input element that each channel
 * and tap reads at each of them.
 *
 *     input [n][c][D][H][W]  ->  panels [volume][plane][panel][row (c, kd, kh, kw)][lane]
 *
 * A plane's positions are output positions flattened over height and width, and over depth too if there is
 * but one plane. Lanes past the last position are zero. GROUP_PANELS  1 to 16   neighbouring panels that a
 * work-group writes VECTOR_WIDTH  1 to 16   1 where a work-item is a lane LOCAL_SIZE    1 to 256  work-items
 * of a work-group, side by side along a panel
 *
 * Where a tap comes from is found once for all channels of a block; lanes that read neighbours are copied as
 * a vector. Index space: work-groups (groups of panels, blocks of channels, planes of all volumes). Cost:
 * writes a row of a panel for each tap, reads as much, mostly from cache; no arithmetic.
 */
#include "arguments/unfold.clh"
#include "common/padding.clh"
#include "common/types.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

/* The elements of a channel that a vector's lanes read; -1 is a zero. */
typedef struct vector_source {
    long lane[VECTOR_WIDTH];
    bool is_run; /* lanes read neighbours */
} vector_source;

static inline void find_run(vector_source *s)
{
    s->is_run = s->lane[0] >= 0;
    for (int i = 1; i < VECTOR_WIDTH; i++)
        s->is_run = s->is_run && s->lane[i] == s->lane[0] + i;
}

static inline void copy_vector(const vector_source *s, global const real *channel, global real *to)
{
#if VECTOR_WIDTH > 1
    if (s->is_run) {
        vector_store(vector_load(channel + s->lane[0]), to);
        return;
    }
#endif
    for (int i = 0; i < VECTOR_WIDTH; i++)
        to[i] = s->lane[i] < 0 ? 0 : channel[s->lane[i]];
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
unfold(TENSOR(const real, input), TENSOR(real, panels) UNFOLD_ARGUMENTS(ARGUMENT))
{
    const long taps = kernel_d * kernel_h * kernel_w, channel_size = depth * height * width;
    const long out_height = out_plane / max(out_width, 1L);
    for (long plane = get_group_id(2); plane < planes * volumes; plane += get_num_groups(2)) {
        const long volume = plane / planes, first_depth = plane % planes;
        for (long block = get_group_id(1); block < channel_blocks; block += get_num_groups(1)) {
            const long first_channel = block * block_channels;
            const long channels = min(block_channels, group_in - first_channel);
            global const real *from =
                TENSOR_START(input) + (volume * group_in + first_channel) * channel_size;
            for (long group = get_group_id(0); group < panel_groups; group += get_num_groups(0)) {
                const long panel = group * GROUP_PANELS;
                const int count = (int)min((long)GROUP_PANELS, plane_panels - panel);
                global real *to =
                    TENSOR_START(panels) + volume * volume_size +
                    ((first_depth * plane_panels + panel) * group_in + first_channel) * taps * PANEL +
                    get_local_id(0) * VECTOR_WIDTH;
                for (long tap = 0; tap < taps; tap++) {
                    const long kw = tap % kernel_w, kh = tap / kernel_w % kernel_h,
                               kd = tap / kernel_w / kernel_h;
                    vector_source source[GROUP_PANELS];
                    for (int p = 0; p < count; p++) {
                        for (int i = 0; i < VECTOR_WIDTH; i++) {
                            const long q = (panel + p) * PANEL + get_local_id(0) * VECTOR_WIDTH + i;
                            const long row = (first + q) / out_width, x = (first + q) % out_width;
                            const long in_z = padding_source(mode,
                                                             (first_depth + row / out_height) * stride_d +
                                                                 kd * dilation_d - pad_depth,
                                                             depth);
                            const long in_y = padding_source(
                                mode, row % out_height * stride_h + kh * dilation_h - pad_height, height);
                            const long in_x =
                                padding_source(mode, x * stride_w + kw * dilation_w - pad_width, width);
                            source[p].lane[i] = q >= positions || in_z < 0 || in_y < 0 || in_x < 0
                                                    ? -1
                                                    : (in_z * height + in_y) * width + in_x;
                        }
                        find_run(&source[p]);
                    }
                    for (long c = 0; c < channels; c++)
                        for (int p = 0; p < count; p++)
                            copy_vector(&source[p], from + c * channel_size,
                                        to + ((p * group_in + c) * taps + tap) * PANEL);
                }
            }
        }
    }
}
