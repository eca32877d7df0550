/* Blocks in slices: see slices.h. */
#include "steps/slices.h"

#include "base/arith.h"
#include "steps/kernel.h"

/* Multiply-adds that take as long as padding an element, and elements as long as a row's start and end, as
 * measured on a CPU. Elements of phases take less time than they count for in the choice of a block: blocks that pad
 * less are faster still. */
enum { PAD_WORK = 20, PHASE_PAD_WORK = 11, ROW_ELEMENTS = 16 };

static bool lay_out(slice_plan *s, int64_t planes, int64_t rows)
{
    int64_t plane, padded, cells, all;
    int64_t planes_read = planes * s->stride_d + s->halo_d;
    s->block_planes = planes;
    s->block_rows = rows;
    if (!size_multiply(rows + s->halo_h, s->pitch, &plane) || plane > INT32_MAX / 2) return false;
    if (!size_multiply(plane + s->tail, s->phases, &plane) || plane > INT32_MAX / 2) return false;
    if (!size_product((const int64_t[]){planes_read, plane, s->channels}, 3, &padded)) return false;
    s->row_size = rows * s->pitch + s->slack;
    if (!size_product((const int64_t[]){s->cells, planes, s->row_size}, 3, &cells)) return false;
    s->channel_size = planes_read * plane;
    if (!size_add(padded, s->slack, &s->padded_size) || s->padded_size > INT64_MAX / 64) return false;
    s->padded_size = round_up(s->padded_size, 16);
    if (!size_add(s->padded_size, cells, &s->slice_size) || s->slice_size > INT64_MAX / 64) return false;
    s->slice_size = round_up(s->slice_size, 16);
    s->plane_blocks = ceil_divide(s->planes, planes);
    s->row_blocks = ceil_divide(s->rows, rows);
    return size_product((const int64_t[]){s->volumes, s->plane_blocks, s->row_blocks}, 3, &s->units) &&
           size_multiply(s->units, s->slice_size, &all);
}

static double work_of_unit(const slice_plan *s, double pad_work)
{
    double positions = (double)s->block_planes * (double)round_up(s->block_rows * s->pitch, s->lanes);
    double planes = (double)(s->block_planes * s->stride_d + s->halo_d);
    double rows = planes * (double)s->phases * (double)(s->block_rows + s->halo_h);
    return pad_work * ((double)s->channel_size + ROW_ELEMENTS * rows) + s->multiply_adds * positions +
           s->fixed;
}

/* Units are to be enough to share out evenly, whatever shares them: that must not depend on the device's
 * compute units. */
static double work_shared(const slice_plan *s)
{
    enum { WORKERS = 8 };
    return work_of_unit(s, PAD_WORK) * (double)round_up(s->units, WORKERS);
}

/* The next number of parts to try: each one while they are few, and as many as there are at the end. */
static int64_t more_parts(int64_t parts, int64_t count)
{
    return parts == count ? count + 1 : min_i64(count, parts + 1 + parts / 16);
}

bool slices_choose(slice_plan *s, int64_t most)
{
    int64_t best_planes = 1, best_rows = 1;
    double least = -1;
    for (int64_t i = 1; i <= s->planes; i = more_parts(i, s->planes)) {
        for (int64_t k = 1; k <= s->rows; k = more_parts(k, s->rows)) {
            if (!lay_out(s, ceil_divide(s->planes, i), ceil_divide(s->rows, k))) return false;
            double work = work_shared(s);
            if (s->slice_size > most || (least >= 0 && work >= least)) continue;
            least = work;
            best_planes = s->block_planes;
            best_rows = s->block_rows;
        }
    }
    if (!lay_out(s, best_planes, best_rows)) return false;
    s->work = work_of_unit(s, s->phases > 1 ? PHASE_PAD_WORK : PAD_WORK) * (double)s->units;
    return true;
}

/* Work-groups take as many units each, but for the last. Half of the slices are still one for each compute unit, and
 * taken where fewer of them idle at the end. */
static int64_t share(int64_t units, int64_t most, bool may_halve)
{
    int64_t half = max_i64(most / 2, 1);
    int64_t slices = may_halve && round_up(units, half) < round_up(units, most) ? half : most;
    return ceil_divide(units, max_i64(ceil_divide(units, slices), 1));
}

bool slices_bind(int64_t units, int64_t most, int64_t room, int64_t slice_size, recipe *r, step *to,
                 text *why)
{
    /* However many compute units there are: that must not decide whether the slices fit. */
    enum { FEWEST = 4 };
    int64_t slice, bytes;
    if (!size_multiply(slice_size, to->element_size, &slice) || slice > INT64_MAX / 4) {
        text_append(why, "its slices would overflow");
        return false;
    }
    int64_t fitting = min_i64(most, max_i64(room / max_i64(slice, 1), FEWEST));
    int64_t slices = share(units, fitting, fitting == most && most >= FEWEST);
    if (!size_multiply(slices, slice, &bytes) || bytes > INT64_MAX / 4) {
        text_append(why, "its slices would overflow");
        return false;
    }
    kernel_add_buffer(to, BUFFER_WORKSPACE, recipe_reserve(r, bytes));
    kernel_set_range(to, (const int64_t[]){slices, 1, 1}, (const int64_t[]){1, 1, 1});
    return true;
}

bool slices_finish(const slice_plan *s, const product_tile *tile, int64_t weight_bytes, double tensor_bytes,
                   recipe *r, step *to, text *why)
{
    enum { CACHED = 1 << 20 }; /* what is larger comes from further away than a core's own cache */
    if (!slices_bind(s->units, s->most, s->room, s->slice_size, r, to, why)) return false;
    to->flops = 2 * s->work * (double)s->channels;
    double reached = (s->phases > 1 ? 0.85 : 0.92) * (weight_bytes > CACHED ? 0.75 : 1);
    to->efficiency = reached * product_efficiency(tile->out_channels, tile->vectors);
    to->bytes = tensor_bytes;
    double units = (double)s->units;
    /* A copy takes a quarter of the time that memory does, and one that a core's own cache does not hold twice as long as
     * memory more. */
    to->bytes += units * (double)(s->padded_size * to->element_size) / 4;
    if (s->slice_size * to->element_size > CACHED)
        to->bytes += 2 * units * (double)(s->slice_size * to->element_size);
    if (weight_bytes > CACHED) to->bytes += units * (double)weight_bytes;
    return true;
}
