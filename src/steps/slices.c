/* Blocks in slices: see slices.h. */
#include "steps/slices.h"

#include "base/arith.h"
#include "steps/kernel.h"

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

static double products_of_unit(const slice_plan *s)
{
    double positions = (double)s->block_planes * (double)round_up(s->block_rows * s->pitch, s->lanes);
    return s->multiply_adds * positions + s->fixed;
}

/* Elements that a unit pads of a channel, where a row's start and end take as long as `row` of them. */
static double elements_of_unit(const slice_plan *s, double row)
{
    double planes = (double)(s->block_planes * s->stride_d + s->halo_d);
    return (double)s->channel_size + row * planes * (double)s->phases * (double)(s->block_rows + s->halo_h);
}

double slices_multiply_adds(const slice_plan *s)
{
    return products_of_unit(s) * (double)s->units * (double)s->channels;
}

double slices_pad_work(const slice_plan *s, const machine *m)
{
    double pad = s->phases > 1 ? m->slices.pad_phase : m->slices.pad;
    return pad * elements_of_unit(s, m->slices.row) * (double)s->units * (double)s->channels;
}

/* Units are to be enough to share out evenly, whatever shares them: that must not depend on the device's
 * compute units. */
double slices_work_shared(const slice_plan *s)
{
    enum { WORKERS = 8 };
    return (s->pad * elements_of_unit(s, s->row) + products_of_unit(s)) * (double)round_up(s->units, WORKERS);
}

/* The next number of parts to try: each one while they are few, and as many as there are at the end, but for those whose
 * parts are no smaller. Of very many things fewer numbers are tried. */
static int64_t more_parts(int64_t parts, int64_t count)
{
    enum { VERY_MANY = 8192 };
    int64_t size = ceil_divide(count, parts), share = count > VERY_MANY ? 2 : 16;
    if (parts == count) return count + 1;
    do {
        parts = min_i64(count, parts + 1 + parts / share);
    } while (parts < count && ceil_divide(count, parts) == size);
    return parts;
}

/* The block of slices_choose(), which knows why there is none. */
static bool choose_block(slice_plan *s, int64_t most)
{
    int64_t best_planes = 1, best_rows = 1;
    double least = -1;
    for (int64_t i = 1; i <= s->planes; i = more_parts(i, s->planes)) {
        for (int64_t k = 1; k <= s->rows; k = more_parts(k, s->rows)) {
            if (!lay_out(s, ceil_divide(s->planes, i), ceil_divide(s->rows, k))) return false;
            double work = slices_work_shared(s);
            if (s->slice_size > most || (least >= 0 && work >= least)) continue;
            least = work;
            best_planes = s->block_planes;
            best_rows = s->block_rows;
        }
    }
    return lay_out(s, best_planes, best_rows);
}

bool slices_choose(slice_plan *s, int64_t most, text *why)
{
    if (choose_block(s, most)) return true;
    text_append(why, "its slices would overflow");
    return false;
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
    kernel_share_out(to, slices, 1);
    return true;
}

static void set_work(const slice_plan *s, const product_tile *tile, int64_t weight_bytes, double tensor_bytes,
                     const machine *m, step *to)
{
    bool is_far = weight_bytes > m->core_cache;
    double share =
        (s->phases > 1 ? m->tiles.strided_volume : m->tiles.volume) * (is_far ? m->slices.far_weights : 1);
    share *= machine_tile_share(m, tile->out_channels, tile->vectors);
    step_computes(to, slices_multiply_adds(s), share);
    to->work.busy += slices_pad_work(s, m) / share;
    step_moves(to, tensor_bytes);
    double units = (double)s->units, slice_bytes = (double)(s->slice_size * to->element_size);
    to->work.traffic += m->slices.copy * units * (double)(s->padded_size * to->element_size);
    if (slice_bytes > (double)m->core_cache) to->work.traffic += m->slices.far_copy * units * slice_bytes;
    if (is_far) to->work.traffic += units * (double)weight_bytes;
}

bool slices_finish(const slice_plan *s, const product_tile *tile, int64_t weight_bytes, double tensor_bytes,
                   const machine *m, recipe *r, step *to, text *why)
{
    if (!slices_bind(s->units, s->most, s->room, s->slice_size, r, to, why)) return false;
    set_work(s, tile, weight_bytes, tensor_bytes, m, to);
    return true;
}
