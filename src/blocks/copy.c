/* Copying rows of blocks: see copy.h. */
#include "blocks/copy.h"

#include <string.h>

/* Where a row of the block's input is in the whole, in elements of a channel; -1: in padding. */
static int64_t row_source(const block_copy *c, int64_t z, int64_t y)
{
    const clconv_problem *p = c->problem;
    int64_t from_z = geometry_source(p->padding_mode, z, p->input[0]);
    int64_t from_y = geometry_source(p->padding_mode, y, p->input[1]);
    return from_z < 0 || from_y < 0 ? -1 : (from_z * p->input[1] + from_y) * p->input[2];
}

static bool has_whole_planes(const block_copy *c, const block *b)
{
    const clconv_problem *p = c->problem, *q = &b->problem;
    return q->input[0] == p->input[0] && q->input[1] == p->input[1] && b->first[0] == 0 && b->first[1] == 0;
}

/* The first element of a channel of the whole input. */
static int64_t channel_start(const block_copy *c, const block *b, int64_t sample, int64_t channel)
{
    int64_t volume = (b->sample + sample) * c->problem->in_channels + b->in_channel + channel;
    return volume * c->geometry->input_plane;
}

void copy_gather_input(const block_copy *c, const block *b, const void *whole, void *part)
{
    const clconv_problem *q = &b->problem;
    size_t element = (size_t)c->geometry->element_size, row = (size_t)c->problem->input[2] * element;
    size_t channel_bytes = (size_t)c->geometry->input_plane * element;
    bool is_whole = has_whole_planes(c, b);
    char *to = part;
    for (int64_t i = 0; i < q->batch * q->in_channels; i++) {
        const char *channel = (const char *)whole +
                              (size_t)channel_start(c, b, i / q->in_channels, i % q->in_channels) * element;
        if (is_whole) memcpy(to, channel, channel_bytes);
        for (int64_t z = 0; z < q->input[0] && !is_whole; z++)
            for (int64_t y = 0; y < q->input[1]; y++) {
                int64_t from = row_source(c, b->first[0] + z, b->first[1] + y);
                char *at = to + (size_t)(z * q->input[1] + y) * row;
                if (from < 0)
                    memset(at, 0, row);
                else
                    memcpy(at, channel + (size_t)from * element, row);
            }
        to += (size_t)(q->input[0] * q->input[1]) * row;
    }
}

void copy_add(clconv_dtype dtype, int64_t count, const void *from, void *to)
{
    if (dtype == CLCONV_FLOAT64) {
        const double *f = from;
        double *t = to;
        for (int64_t i = 0; i < count; i++)
            t[i] += f[i];
        return;
    }
    const float *f = from;
    float *t = to;
    for (int64_t i = 0; i < count; i++)
        t[i] += f[i];
}

void copy_scatter_input(const block_copy *c, const block *b, const void *part, void *whole, bool adds)
{
    const clconv_problem *q = &b->problem;
    int64_t width = c->problem->input[2];
    size_t element = (size_t)c->geometry->element_size, row = (size_t)width * element;
    const char *from = part;
    for (int64_t i = 0; i < q->batch * q->in_channels; i++) {
        char *channel =
            (char *)whole + (size_t)channel_start(c, b, i / q->in_channels, i % q->in_channels) * element;
        for (int64_t z = 0; z < q->input[0]; z++)
            for (int64_t y = 0; y < q->input[1]; y++, from += row) {
                int64_t source = row_source(c, b->first[0] + z, b->first[1] + y);
                if (source < 0) continue;
                char *to = channel + (size_t)source * element;
                if (adds)
                    copy_add(c->problem->dtype, width, from, to);
                else
                    memcpy(to, from, row);
            }
    }
}

/* The first byte of a block's row of planes in a tensor of the output's shape, and how many follow. */
static size_t output_rows(const block_copy *c, const block *b, int64_t plane, size_t *bytes)
{
    const geometry *g = c->geometry;
    int64_t z = plane % b->output[0], i = plane / b->output[0], channels = b->problem.out_channels;
    int64_t volume = (b->sample + i / channels) * c->problem->out_channels + b->channel + i % channels;
    int64_t row = (volume * g->output[0] + b->at[0] + z) * g->output[1] + b->at[1];
    *bytes = (size_t)(b->output[1] * g->output[2] * g->element_size);
    return (size_t)(row * g->output[2] * g->element_size);
}

static int64_t output_planes(const block *b)
{
    return b->problem.batch * b->problem.out_channels * b->output[0];
}

void copy_gather_output(const block_copy *c, const block *b, const void *whole, void *part)
{
    for (int64_t plane = 0; plane < output_planes(b); plane++) {
        size_t bytes, at = output_rows(c, b, plane, &bytes);
        memcpy((char *)part + (size_t)plane * bytes, (const char *)whole + at, bytes);
    }
}

void copy_scatter_output(const block_copy *c, const block *b, const void *part, void *whole)
{
    for (int64_t plane = 0; plane < output_planes(b); plane++) {
        size_t bytes, at = output_rows(c, b, plane, &bytes);
        memcpy((char *)whole + at, (const char *)part + (size_t)plane * bytes, bytes);
    }
}

static void fill(clconv_dtype dtype, int64_t count, const void *value, int64_t index, void *to)
{
    double *wide = to;
    float *narrow = to;
    for (int64_t i = 0; i < count; i++)
        if (dtype == CLCONV_FLOAT64)
            wide[i] = value != NULL ? ((const double *)value)[index] : 0;
        else
            narrow[i] = value != NULL ? ((const float *)value)[index] : 0;
}

void copy_fill_input(const block_copy *c, const void *bias, void *whole)
{
    const clconv_problem *p = c->problem;
    size_t channel_bytes = (size_t)(c->geometry->input_plane * c->geometry->element_size);
    for (int64_t i = 0; i < p->batch * p->in_channels; i++)
        fill(p->dtype, c->geometry->input_plane, bias, i % p->in_channels,
             (char *)whole + (size_t)i * channel_bytes);
}
