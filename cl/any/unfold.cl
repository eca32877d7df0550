/* Unfolds the input into panels: for PANEL neighbouring output positions, the input element that each channel
 * and tap reads at each of them.
 *
 *     input [n][c][D][H][W]  ->  panels [volume][plane][panel][row (c, kd, kh, kw)][lane]
 *
 * A plane's positions are output positions flattened over height and width, and over depth too if there is
 * but one plane. Lanes past the last position are zero.
 *   GROUP_PANELS  1 to 16   neighbouring panels that a work-group writes
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along a panel
 *
 * Where a tap comes from is found once for all channels of a block, as runs of lanes that read elements
 * stride_w apart. Index space: work-groups (groups of panels, blocks of channels, planes of all volumes).
 * Cost: writes a row of a panel for each tap, reads as much, mostly from cache; no arithmetic.
 */
#include "arguments/unfold.clh"
#include "common/pad_rows.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

/* The runs of a vector's lanes; lanes that are in none are zero. */
typedef struct lane_runs {
    int count, lanes; /* runs; lanes in all of them */
    int lane[VECTOR_WIDTH], length[VECTOR_WIDTH];
    long from[VECTOR_WIDTH]; /* of a channel */
} lane_runs;

static inline void add_lane(lane_runs *r, const int lane, const long from, const long step)
{
    const int last = r->count - 1;
    r->lanes++;
    if (last >= 0 && r->lane[last] + r->length[last] == lane &&
        r->from[last] + r->length[last] * step == from) {
        r->length[last]++;
        return;
    }
    r->lane[r->count] = lane;
    r->length[r->count] = 1;
    r->from[r->count++] = from;
}

/* A vector of one row of a panel. */
static inline void copy_vector(const lane_runs *r, global const real *channel, global real *to,
                               const long stride_w)
{
#if VECTOR_WIDTH > 1
    if (r->lanes < VECTOR_WIDTH) vector_store((realv)0, to);
    for (int i = 0; i < r->count; i++)
        copy_cells(channel + r->from[i], to + r->lane[i], r->length[i], (int)stride_w, 0);
#else
    *to = r->count > 0 ? channel[r->from[0]] : 0;
#endif
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
unfold(TENSOR(const real, input), TENSOR(real, panels) UNFOLD_ARGUMENTS(ARGUMENT))
{
    const long taps = kernel_d * kernel_h * kernel_w, channel_size = depth * height * width;
    const long out_height = out_plane / max(out_width, 1L);
    for (long plane = WORK_GROUP(2); plane < planes * volumes; plane += WORK_GROUPS(2)) {
        const long volume = plane / planes, first_depth = plane % planes;
        for (long block = WORK_GROUP(1); block < channel_blocks; block += WORK_GROUPS(1)) {
            const long first_channel = block * block_channels;
            const long channels = min(block_channels, group_in - first_channel);
            global const real *from =
                TENSOR_START(input) + (volume * group_in + first_channel) * channel_size;
            for (long group = WORK_GROUP(0); group < panel_groups; group += WORK_GROUPS(0)) {
                const long panel = group * GROUP_PANELS;
                const int count = (int)min((long)GROUP_PANELS, plane_panels - panel);
                global real *to =
                    TENSOR_START(panels) + volume * volume_size +
                    ((first_depth * plane_panels + panel) * group_in + first_channel) * taps * PANEL +
                    get_local_id(0) * VECTOR_WIDTH;
                for (long tap = 0; tap < taps; tap++) {
                    const long kw = tap % kernel_w, kh = tap / kernel_w % kernel_h,
                               kd = tap / kernel_w / kernel_h;
                    lane_runs runs[GROUP_PANELS];
                    for (int p = 0; p < count; p++) {
                        const long q = (panel + p) * PANEL + get_local_id(0) * VECTOR_WIDTH;
                        const int lanes = (int)clamp(positions - q, 0L, (long)VECTOR_WIDTH);
                        long row = (first + q) / out_width, x = (first + q) % out_width;
                        runs[p].count = runs[p].lanes = 0;
                        for (int lane = 0; lane < lanes; row++, x = 0) {
                            const long in_z = padding_source(mode,
                                                             (first_depth + row / out_height) * stride_d +
                                                                 kd * dilation_d - pad_depth,
                                                             depth);
                            const long in_y = padding_source(
                                mode, row % out_height * stride_h + kh * dilation_h - pad_height, height);
                            const int end = (int)min((long)lanes, lane + out_width - x);
                            for (; lane < end; lane++, x++) {
                                const long in_x =
                                    padding_source(mode, x * stride_w + kw * dilation_w - pad_width, width);
                                if (in_z >= 0 && in_y >= 0 && in_x >= 0)
                                    add_lane(&runs[p], lane, (in_z * height + in_y) * width + in_x, stride_w);
                            }
                        }
                    }
                    for (long c = 0; c < channels; c++)
                        for (int p = 0; p < count; p++)
                            copy_vector(&runs[p], from + c * channel_size,
                                        to + ((p * group_in + c) * taps + tap) * PANEL, stride_w);
                }
            }
        }
    }
}
