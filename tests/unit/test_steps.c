/* Steps as data. Most of it is the scratch volume: a host model fills it as cl/any/pad.cl describes it, reads it
 * as cl/any/direct.cl does, and every tap of every output must meet the element that PyTorch's padding says. */
#include "harness.h"

#include "base/arith.h"
#include "random.h"
#include "steps/adjoint.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/panel_slices.h"
#include "steps/product.h"
#include "steps/slices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const clconv_device_info some_cpu = {.type = CL_DEVICE_TYPE_CPU, .vector_bits = 256};

static void test_lists(void)
{
    recipe r = {0};
    for (int i = 0; i < 100; i++) {
        step s = {.kind = STEP_COPY, .copy_bytes = i};
        recipe_append_run(&r, &s);
        if (i % 3 == 0) recipe_append_pack(&r, &s);
    }
    CU_ASSERT_FATAL(!r.failed && r.run_count == 100 && r.pack_count == 34);
    for (int i = 0; i < 100; i++)
        CU_ASSERT(r.run[i].copy_bytes == i && r.pack[i / 3].copy_bytes == i / 3 * 3);
    recipe_release(&r);
    CU_ASSERT(r.run == NULL && r.pack == NULL && r.run_count == 0 && r.workspace_bytes == 0);
    recipe_release(&r);
}

/* A recipe that is only compared counts all steps of a run, however many it keeps. */
static void test_compared(void)
{
    device_traits traits;
    traits_derive(&some_cpu, &traits);
    recipe compared = {.compared = traits.machine, .speed = traits.speed};
    double seconds = 0;
    for (int i = 0; i < 100; i++) {
        const step s = {.element_size = 4, .work = {.traffic = 1e6 * i}, .has_epilogue = i == 99};
        CU_ASSERT(compared.is_cut || compared.run_count == (size_t)i);
        recipe_append_run(&compared, &s);
        seconds += machine_seconds(traits.machine, traits.speed, 4, &s.work);
    }
    CU_ASSERT_DOUBLE_EQUAL(compared.run_seconds, seconds, 1e-12);
    CU_ASSERT(compared.is_cut && compared.has_epilogue && compared.run_count < 100);
    const step too_large = {.name = "large", .overflows = true};
    recipe_append_run(&compared, &too_large);
    CU_ASSERT_EQUAL(recipe_check(&compared, "owner", NULL), CLCONV_INTERNAL);
    recipe_release(&compared);
}

static void test_failed_list(void)
{
    recipe r = {.failed = true};
    step s = {.kind = STEP_COPY};
    recipe_append_run(&r, &s);
    CU_ASSERT(r.run_count == 0 && r.run == NULL);
    CU_ASSERT_EQUAL(recipe_check(&r, "owner", NULL), CLCONV_OUT_OF_MEMORY);
    recipe_release(&r);
}

static void test_reserve(void)
{
    recipe r = {0};
    CU_ASSERT_EQUAL(recipe_reserve(&r, 1), 0);
    CU_ASSERT_EQUAL(recipe_reserve(&r, WORKSPACE_ALIGNMENT), WORKSPACE_ALIGNMENT);
    CU_ASSERT_EQUAL(recipe_reserve(&r, WORKSPACE_ALIGNMENT + 1), 2 * WORKSPACE_ALIGNMENT);
    CU_ASSERT_EQUAL(recipe_reserve(&r, 0), 4 * WORKSPACE_ALIGNMENT);
    CU_ASSERT_EQUAL(r.workspace_bytes, 4 * WORKSPACE_ALIGNMENT);
}

static void test_kernel(void)
{
    step s = kernel_step("name", "file.cl", "entry", CLCONV_FLOAT64);
    kernel_define(&s, "WIDTH", -3);
    kernel_define(&s, "HEIGHT", INT64_C(1) << 40);
    CU_ASSERT_EQUAL(s.kind, STEP_KERNEL);
    CU_ASSERT_EQUAL(s.element_size, 8);
    CU_ASSERT_STRING_EQUAL(s.name, "name");
    CU_ASSERT_STRING_EQUAL(s.launch.source, "file.cl");
    CU_ASSERT_STRING_EQUAL(s.launch.kernel, "entry");
    CU_ASSERT_STRING_EQUAL(s.launch.options,
                           "-cl-std=CL1.2 -DREAL_BITS=64 -DWIDTH=-3 -DHEIGHT=1099511627776");
    kernel_add_buffer(&s, BUFFER_INPUT, 24);
    kernel_add_buffer(&s, BUFFER_NONE, 0);
    CU_ASSERT_EQUAL(s.buffer_count, 2);
    CU_ASSERT(s.buffers[0].role == BUFFER_INPUT && s.buffers[0].offset == 24);
    const struct {
        int64_t a, b, c;
    } scalars = {5, -6, INT64_MAX};
    kernel_set_scalars(&s, &scalars, sizeof scalars);
    CU_ASSERT_EQUAL(s.launch.scalar_count, 3);
    CU_ASSERT(s.launch.scalars[0] == 5 && s.launch.scalars[1] == -6 && s.launch.scalars[2] == INT64_MAX);
    s = kernel_step("name", "file.cl", "entry", CLCONV_FLOAT32);
    CU_ASSERT_EQUAL(s.element_size, 4);
    CU_ASSERT_STRING_EQUAL(s.launch.options, "-cl-std=CL1.2 -DREAL_BITS=32");
}

/* A step that has overflowed fails its recipe, and nothing is appended any more. */
static void expect_overflow(const step *s)
{
    recipe r = {0};
    clconv_error err = {.message = ""};
    const step fits = kernel_step("fits", "file.cl", "entry", CLCONV_FLOAT32);
    CU_ASSERT(s->overflows);
    recipe_append_run(&r, &fits);
    CU_ASSERT_EQUAL(recipe_check(&r, "owner", &err), CLCONV_SUCCESS);
    recipe_append_pack(&r, s);
    recipe_append_run(&r, &fits);
    CU_ASSERT(r.failed && r.pack_count == 0 && r.run_count == 1);
    CU_ASSERT_EQUAL(recipe_check(&r, "owner", &err), CLCONV_INTERNAL);
    CU_ASSERT(strstr(err.message, "step 'large' of owner") == err.message);
    recipe_release(&r);
    CU_ASSERT_EQUAL(recipe_check(&r, "owner", &err), CLCONV_SUCCESS);
}

static void test_too_many_buffers(void)
{
    step s = kernel_step("large", "file.cl", "entry", CLCONV_FLOAT32);
    for (int i = 0; i < STEP_BUFFERS; i++)
        kernel_add_buffer(&s, BUFFER_INPUT, i);
    CU_ASSERT(!s.overflows && s.buffer_count == STEP_BUFFERS);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    CU_ASSERT_EQUAL(s.buffer_count, STEP_BUFFERS);
    CU_ASSERT_EQUAL(s.buffers[STEP_BUFFERS - 1].role, BUFFER_INPUT);
    expect_overflow(&s);
}

static void test_too_many_scalars(void)
{
    int64_t scalars[STEP_SCALARS + 1] = {0};
    step s = kernel_step("large", "file.cl", "entry", CLCONV_FLOAT32), all = s, more;
    kernel_set_scalars(&s, scalars, sizeof scalars);
    CU_ASSERT_EQUAL(s.launch.scalar_count, 0);
    expect_overflow(&s);
    kernel_set_scalars(&all, scalars, sizeof all.launch.scalars);
    CU_ASSERT(!all.overflows && all.launch.scalar_count == STEP_SCALARS);
    more = all;
    kernel_add_scalar(&more, 1);
    CU_ASSERT_EQUAL(more.launch.scalar_count, STEP_SCALARS);
    expect_overflow(&more);
    kernel_set_scalars(&all, scalars, sizeof all.launch.scalars - sizeof scalars[0]);
    kernel_add_scalar(&all, -7);
    CU_ASSERT(!all.overflows && all.launch.scalars[STEP_SCALARS - 1] == -7);
}

/* Options are whole: one that does not fit is left out. The name's length decides by one character. */
static void test_long_options(void)
{
    char name[STEP_OPTIONS];
    step s = kernel_step("large", "file.cl", "entry", CLCONV_FLOAT32), fits = s;
    size_t length = STEP_OPTIONS - 1 - strlen(s.launch.options) - strlen(" -D=1");
    memset(name, 'N', sizeof name);
    name[length] = '\0';
    kernel_define(&fits, name, 1);
    CU_ASSERT(!fits.overflows && strlen(fits.launch.options) == STEP_OPTIONS - 1);
    kernel_define(&s, name, 12);
    CU_ASSERT_STRING_EQUAL(s.launch.options, "-cl-std=CL1.2 -DREAL_BITS=32");
    expect_overflow(&s);
    kernel_define(&fits, "N", 1);
    CU_ASSERT_EQUAL(strlen(fits.launch.options), STEP_OPTIONS - 1);
    expect_overflow(&fits);
}

/* A convolution's steps are a part of a gradient's. */
static void test_overflow_of_part(void)
{
    recipe r = {0}, part = {0};
    clconv_error err = {.message = ""};
    step s = kernel_step("large", "file.cl", "entry", CLCONV_FLOAT32);
    s.overflows = true;
    recipe_append_run(&part, &s);
    adjoint_append_part(&r, &part, &(adjoint_place){0});
    CU_ASSERT_EQUAL(recipe_check(&r, "owner", &err), CLCONV_INTERNAL);
    recipe_release(&part);
    recipe_release(&r);
}

/* At least one work-group, never 65,535 (PoCL compiles another variant), and whole ones. */
static void test_range(void)
{
    step s = kernel_step("name", "file.cl", "entry", CLCONV_FLOAT32);
    kernel_set_range(&s, (const int64_t[]){0, 65534, 65535}, (const int64_t[]){64, 1, 3});
    CU_ASSERT(s.launch.global[0] == 64 && s.launch.global[1] == 65534 && s.launch.global[2] == 3 * 65534);
    CU_ASSERT(s.launch.local[0] == 64 && s.launch.local[1] == 1 && s.launch.local[2] == 3);
    kernel_set_range(&s, (const int64_t[]){INT64_MAX, 1, 7}, (const int64_t[]){256, 1, 1});
    CU_ASSERT(s.launch.global[0] == (size_t)65534 * 256 && s.launch.global[1] == 1 &&
              s.launch.global[2] == 7);
}

/* The parts of a launch lie one after the other along its longest axis, as common/types.clh reads them, and leave nothing out. */
static void test_parts(void)
{
    const int64_t wanted[] = {2, 3, 7, 1000, 1 << 20};
    step s = {.kind = STEP_KERNEL};
    kernel_set_range(&s, (const int64_t[]){5, 200000, 1}, (const int64_t[]){64, 2, 1});
    CU_ASSERT(launch_parts(&s.launch, 1) == 1 && launch_parts(&s.launch, 0) == 1);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const int64_t parts = launch_parts(&s.launch, wanted[i]);
        size_t next = 2;
        CU_ASSERT(parts >= min_i64(wanted[i], 4) && parts <= 200000);
        for (int64_t p = 0; p < parts; p++) {
            const launch_part part = launch_part_at(&s.launch, parts, p);
            CU_ASSERT(part.offset[1] == next && part.global[1] > 0 && part.global[1] <= 2 * 65534);
            CU_ASSERT(part.offset[0] == 0 && part.global[0] == 5 * 64 && part.global[2] == 1);
            next += part.global[1];
        }
        CU_ASSERT(next == 2 + 2 * 200000);
    }
    kernel_share_out(&s, 500, 64);
    CU_ASSERT(launch_parts(&s.launch, 10) == 1);
    kernel_set_range(&s, (const int64_t[]){(int64_t)1 << 40, 1, 1}, (const int64_t[]){64, 1, 1});
    CU_ASSERT(launch_parts(&s.launch, 10) == 1); /* further than a part's stride */
}

static clconv_problem random_problem(random_state *r)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.padding_mode = (clconv_padding_mode)random_between(r, 0, CLCONV_PADDING_SYMMETRIC);
    p.in_channels = random_between(r, 1, 3);
    for (int axis = 0; axis < 3; axis++) {
        p.input[axis] = random_between(r, 1, 9);
        p.kernel[axis] = random_between(r, 1, 5);
        p.stride[axis] = random_between(r, 1, 4);
        p.dilation[axis] = random_between(r, 1, 3);
        bool turns = p.padding_mode == CLCONV_PADDING_CIRCULAR || p.padding_mode == CLCONV_PADDING_SYMMETRIC;
        int64_t most = p.padding_mode == CLCONV_PADDING_REFLECT ? p.input[axis] - 1
                       : turns                                  ? p.input[axis]
                                                                : 12;
        p.pad_before[axis] = random_between(r, 0, most);
        p.pad_after[axis] = random_between(r, 0, most);
    }
    return p;
}

/* What a cell of the model holds: a source index, or one of these. */
enum { ZERO = -1, PAST_PADDED = -2, NEVER_WRITTEN = -3 };

typedef struct model {
    const clconv_problem *p;
    const geometry *g;
    scratch_layout l;
    int64_t *plane; /* of each cell the index h * W + w that it holds */
    int64_t twice;  /* cells written more than once */
} model;

static int64_t padded_content(const clconv_problem *p, const geometry *g, int64_t row, int64_t column)
{
    if (row >= g->padded[1] || column >= g->padded[2]) return PAST_PADDED;
    int64_t h = geometry_source(p->padding_mode, row - p->pad_before[1], p->input[1]);
    int64_t w = geometry_source(p->padding_mode, column - p->pad_before[2], p->input[2]);
    return h < 0 || w < 0 ? ZERO : h * p->input[2] + w;
}

static void write_row(model *m, int64_t phase_h, int64_t phase_w, int64_t y)
{
    const scratch_layout *l = &m->l;
    const int64_t *stride = m->p->stride;
    int64_t cells = y == l->rows - 1 ? l->phase_pitch - y * l->pitch : l->pitch;
    int64_t *row = m->plane + (phase_h * l->phases[2] + phase_w) * l->phase_pitch + y * l->pitch;
    for (int64_t x = 0; x < cells; x++) {
        m->twice += row[x] != NEVER_WRITTEN;
        row[x] = padded_content(m->p, m->g, y * stride[1] + phase_h, x * stride[2] + phase_w);
    }
}

static void fill(model *m)
{
    for (int64_t i = 0; i < m->l.plane_size; i++)
        m->plane[i] = NEVER_WRITTEN;
    for (int64_t phase_h = 0; phase_h < m->l.phases[1]; phase_h++)
        for (int64_t phase_w = 0; phase_w < m->l.phases[2]; phase_w++)
            for (int64_t y = 0; y < m->l.rows; y++)
                write_row(m, phase_h, phase_w, y);
}

/* A padded zero may be read from another row's padding, or from cells past the padded extent, which pad.cl
 * zeroes in this mode. */
static int is_right(const model *m, int64_t found, int64_t right)
{
    if (found == PAST_PADDED) return right == ZERO && m->p->padding_mode == CLCONV_PADDING_ZEROS;
    return found == right;
}

/* Taps of the output at row oh, column ow that read a wrong element, or outside the plane. */
static int64_t wrong_taps(const model *m, int64_t oh, int64_t ow)
{
    const clconv_problem *p = m->p;
    const scratch_layout *l = &m->l;
    int64_t wrong = 0;
    for (int64_t kh = 0; kh < p->kernel[1]; kh++)
        for (int64_t kw = 0; kw < p->kernel[2]; kw++) {
            int64_t row = kh * p->dilation[1], column = kw * p->dilation[2];
            int64_t at = row % p->stride[1] * l->phases[2] * l->phase_pitch + row / p->stride[1] * l->pitch +
                         column % p->stride[2] * l->phase_pitch + column / p->stride[2] + oh * l->pitch + ow;
            int64_t right = padded_content(p, m->g, oh * p->stride[1] + row, ow * p->stride[2] + column);
            wrong += at < 0 || at >= l->plane_size || !is_right(m, m->plane[at], right);
        }
    return wrong;
}

static void check_plane(const clconv_problem *p, const geometry *g, bool strict)
{
    model m = {.p = p, .g = g};
    CU_ASSERT_FATAL(scratch_layout_compute(p, g, strict, &m.l));
    m.plane = malloc((size_t)m.l.plane_size * sizeof *m.plane);
    CU_ASSERT_FATAL(m.plane != NULL);
    fill(&m);
    CU_ASSERT_EQUAL(m.twice, 0);
    CU_ASSERT(m.l.pitch >= g->output[2]);
    int64_t wrong = 0;
    for (int64_t oh = 0; oh < g->output[1]; oh++)
        for (int64_t ow = 0; ow < g->output[2]; ow++)
            wrong += wrong_taps(&m, oh, ow);
    if (wrong != 0) {
        char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
        clconv_problem_format(p, text, NULL);
        printf("%s mode %d: %lld taps are wrong\n", text, (int)p->padding_mode, (long long)wrong);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(m.plane);
}

/* Planes of a part of the volume, made for output planes [z0, z0 + count): a tap that direct.cl visits must
 * find its source plane, one that it clips must be a padded zero. */
static void check_depth(const clconv_problem *p, const geometry *g, bool strict, int64_t z0, int64_t count)
{
    scratch_layout whole;
    CU_ASSERT_FATAL(scratch_layout_compute(p, g, strict, &whole));
    depth_span span = geometry_depth_span(p, z0, count, whole.clips_depth);
    scratch_layout l = scratch_part_of(p, &whole, 0, 1, span).layout;
    int64_t clip = span.first + p->pad_before[0] - z0 * p->stride[0], wrong = 0, clipped = 0;
    CU_ASSERT(l.padded_depth <= geometry_planes_read(p, count, whole.clips_depth));
    for (int64_t z = 0; z < count; z++) {
        int64_t start = z * p->stride[0] - clip, dilation = p->dilation[0];
        int64_t first = start < 0 ? ceil_divide(-start, dilation) : 0;
        int64_t last = min_i64(p->kernel[0], (l.padded_depth - start + dilation - 1) / dilation);
        for (int64_t kd = 0; kd < p->kernel[0]; kd++) {
            int64_t plane = start + kd * dilation;
            int64_t position = (z0 + z) * p->stride[0] + kd * dilation - p->pad_before[0];
            int64_t right = geometry_source(p->padding_mode, position, p->input[0]);
            int64_t found = geometry_source(p->padding_mode, plane + span.first, p->input[0]);
            bool visited = kd >= first && kd < last;
            clipped += !visited;
            wrong += visited ? found != right || plane < 0 || plane >= l.padded_depth : right >= 0;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    if (strict) CU_ASSERT_EQUAL(clipped, 0);
}

static void test_scratch(void)
{
    random_state r = {7};
    int legal = 0;
    for (int i = 0; i < 4000; i++) {
        geometry g;
        clconv_problem p = random_problem(&r);
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        legal++;
        for (int strict = 0; strict < 2; strict++) {
            check_plane(&p, &g, strict != 0);
            check_depth(&p, &g, strict != 0, 0, g.output[0]);
            int64_t z = i % g.output[0];
            check_depth(&p, &g, strict != 0, z, 1 + i / 7 % (g.output[0] - z));
        }
    }
    CU_ASSERT(legal > 1000);
}

static void test_scratch_sizes(void)
{
    random_state r = {8};
    for (int i = 0; i < 500; i++) {
        geometry g;
        scratch_layout l;
        clconv_problem p = random_problem(&r);
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        CU_ASSERT_FATAL(scratch_layout_compute(&p, &g, false, &l));
        CU_ASSERT_EQUAL(l.plane_size, l.phases[1] * l.phases[2] * l.phase_pitch);
        CU_ASSERT_EQUAL(l.channel_size, l.padded_depth * l.plane_size);
        CU_ASSERT_EQUAL(l.sample_size, p.in_channels * l.channel_size);
        CU_ASSERT(l.phase_pitch >= (l.rows - 1) * l.pitch + g.output[2]);
    }
}

/* Kernels count the elements of a plane in 32 bits, and no size may overflow. */
static void test_scratch_limits(void)
{
    clconv_problem p;
    geometry g;
    scratch_layout l;
    clconv_problem_init(&p);
    p.input[1] = p.input[2] = 1 << 15;
    p.stride[1] = p.stride[2] = 1;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_TRUE(scratch_layout_compute(&p, &g, false, &l));
    p.input[1] = p.input[2] = 46341; /* its square is just above 2^31 */
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_FALSE(scratch_layout_compute(&p, &g, false, &l));
    p.input[1] = p.input[2] = 1;
    p.stride[1] = INT64_MAX;
    p.stride[2] = 2;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_FALSE(scratch_layout_compute(&p, &g, false, &l));
}

static uint64_t layout_of(int64_t groups, int64_t in, int64_t out, int64_t kernel, clconv_dtype dtype,
                          int64_t block, int64_t *bytes)
{
    clconv_problem p;
    geometry g;
    recipe r = {0};
    clconv_problem_init(&p);
    p.groups = groups;
    p.in_channels = in;
    p.out_channels = out;
    p.input[0] = p.kernel[0] = kernel;
    p.dtype = dtype;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_TRUE(pack_append(&r, &p, &g, block, false, 1, NULL));
    CU_ASSERT_EQUAL(r.pack_count, 1);
    uint64_t layout = r.packed_layout;
    *bytes = r.packed_bytes;
    recipe_release(&r);
    return layout;
}

/* Blocks of output channels are padded within each group; two plans share a packed weight exactly if all that
 * its form depends on is equal. */
static void test_pack(void)
{
    int64_t bytes;
    uint64_t layout = layout_of(2, 6, 10, 3, CLCONV_FLOAT32, 4, &bytes);
    CU_ASSERT_EQUAL(bytes, 2 * (2 * 4) * 3 * 3 * 4);
    CU_ASSERT_EQUAL(layout_of(2, 6, 10, 3, CLCONV_FLOAT32, 4, &bytes), layout);
    CU_ASSERT_NOT_EQUAL(layout_of(1, 6, 10, 3, CLCONV_FLOAT32, 4, &bytes), layout);
    CU_ASSERT_NOT_EQUAL(layout_of(2, 4, 10, 3, CLCONV_FLOAT32, 4, &bytes), layout);
    CU_ASSERT_NOT_EQUAL(layout_of(2, 6, 12, 3, CLCONV_FLOAT32, 4, &bytes), layout);
    CU_ASSERT_NOT_EQUAL(layout_of(2, 6, 10, 2, CLCONV_FLOAT32, 4, &bytes), layout);
    CU_ASSERT_NOT_EQUAL(layout_of(2, 6, 10, 3, CLCONV_FLOAT32, 5, &bytes), layout);
    CU_ASSERT_EQUAL(bytes, 2 * 5 * 3 * 3 * 4);
    CU_ASSERT_NOT_EQUAL(layout_of(2, 6, 10, 3, CLCONV_FLOAT64, 4, &bytes), layout);
    CU_ASSERT_EQUAL(bytes, 2 * (2 * 4) * 3 * 3 * 8);
}

/* A packed weight may exceed 63 bits where the weight does not: a block for each group of one channel. */
static void test_pack_overflow(void)
{
    clconv_problem p;
    geometry g;
    recipe r = {0};
    text why = {0};
    clconv_problem_init(&p);
    p.groups = p.in_channels = p.out_channels = INT64_C(1) << 58;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_FALSE(pack_append(&r, &p, &g, 16, false, 1, &why));
    CU_ASSERT_EQUAL(r.pack_count, 0);
    text_release(&why);
    recipe_release(&r);
}

/* A tile keeps a quarter of the registers free, and wastes no block on channels that a smaller one would
 * serve as well. */
static void test_tiles(void)
{
    for (int registers = 8; registers <= 128; registers *= 2)
        for (int64_t group_out = 1; group_out <= 64; group_out++) {
            device_traits traits = {.vector_bits = 256,
                                    .registers = registers,
                                    .local_size = 1,
                                    .machine = machine_of(&some_cpu)};
            product_tile tile = product_choose_tile(&traits, 4, group_out, PRODUCT_VECTORS);
            CU_ASSERT(tile.out_channels >= 1 && tile.out_channels <= 16);
            CU_ASSERT(tile.vectors >= 1 && tile.vectors <= 16);
            CU_ASSERT(tile.out_channels * tile.vectors <= registers * 3 / 4);
            CU_ASSERT(tile.out_channels <= group_out);
            CU_ASSERT(tile.vector_width == 8 && tile.local_size == 1);
            CU_ASSERT_EQUAL(product_slack(&tile), tile.vectors * 8);
            tile = product_choose_tile(&traits, 8, group_out, PRODUCT_VECTORS);
            CU_ASSERT_EQUAL(tile.vector_width, 4);
        }
}

/* Binds slices of `elements` floats and returns how many there are. */
static int64_t slices_bound(int64_t units, int64_t most, int64_t room, int64_t elements)
{
    recipe r = {0};
    step s = {.element_size = 4};
    text why = {0};
    CU_ASSERT(slices_bind(units, most, room, elements, &r, &s, &why));
    CU_ASSERT_EQUAL(why.length, 0);
    int64_t slices = (int64_t)s.launch.global[0];
    CU_ASSERT(r.workspace_bytes >= slices * elements * 4);
    recipe_release(&r);
    return slices;
}

/* Slices keep every compute unit busy (the default is two for each), and share units out evenly. */
static void test_slices(void)
{
    enum { ELEMENTS = 1000, PLENTY = 1 << 30 };
    for (int64_t units = 1; units <= 200; units++)
        for (int64_t most = 1; most <= 128; most++) {
            int64_t slices = slices_bound(units, most, PLENTY, ELEMENTS);
            int64_t rounds = ceil_divide(units, slices);
            CU_ASSERT(slices >= 1 && slices <= most && slices <= units);
            /* One less would make somebody's share larger. */
            CU_ASSERT(slices == 1 || ceil_divide(units, slices - 1) > rounds);
            int64_t compute_units = most >= 4 ? most / 2 : most;
            int64_t turns = ceil_divide(slices, compute_units) * rounds;
            CU_ASSERT(turns <= ceil_divide(most, compute_units) * ceil_divide(units, most));
        }
    CU_ASSERT_EQUAL(slices_bound(33, 2, PLENTY, ELEMENTS), 2);
    CU_ASSERT_EQUAL(slices_bound(1000, 64, 9 * 4 * ELEMENTS, ELEMENTS), 9);
    CU_ASSERT_EQUAL(slices_bound(1000, 64, 0, ELEMENTS), 4);
    CU_ASSERT_EQUAL(slices_bound(1000, 64, 4 * 4 * ELEMENTS, ELEMENTS), 4);
    recipe r = {0};
    step s = {.element_size = 4};
    text why = {0};
    CU_ASSERT_FALSE(slices_bind(1000, 4, PLENTY, INT64_MAX / 4, &r, &s, &why));
    CU_ASSERT_FALSE(slices_bind(1000, 64, INT64_MAX, INT64_MAX / 256, &r, &s, &why));
    CU_ASSERT(why.length > 0);
    text_release(&why);
    recipe_release(&r);
}

/* Units hold all of the work, slices what their limit lets them, and of eight workers none has twice its share. */
static void test_panel_slices(void)
{
    const product_tile tile = {.out_channels = 12, .vectors = 2, .vector_width = 16, .local_size = 1};
    enum { LIMIT = 256 << 10, FEW_PANELS = 4 };
    static const int64_t positions[] = {1, 16, 17, 196, 392, 6272, 100001}, rows[] = {3, 96, 1024, 100000};
    static const int64_t volumes[] = {1, 3, 64}, out_blocks[] = {1, 3, 16, 100};
    for (int i = 0; i < 7 * 4 * 3 * 4; i++) {
        panel_slices s = {.volumes = volumes[i % 3],
                          .positions = positions[i / 3 % 7],
                          .rows = rows[i / 21 % 4],
                          .out_blocks = out_blocks[i / 84],
                          .line = i % 2};
        CU_ASSERT_FATAL(panel_slices_divide(&s, &tile, LIMIT, 4, machine_of(&some_cpu)));
        int64_t panels = ceil_divide(s.positions, 16), block_panels = s.block / 16;
        CU_ASSERT(s.block % 16 == 0 && s.position_blocks * block_panels >= panels);
        CU_ASSERT(s.position_blocks <= panels && s.splits >= 1 && s.splits <= s.out_blocks);
        CU_ASSERT_EQUAL(s.units, s.volumes * s.position_blocks * s.splits);
        CU_ASSERT(s.slice_size >= s.block * (s.rows + s.line));
        CU_ASSERT(block_panels <= FEW_PANELS || s.block * (s.rows + s.line) * 4 <= LIMIT);
        int64_t pieces = s.volumes * panels * s.out_blocks;
        int64_t busiest = ceil_divide(s.units, 8) * block_panels * ceil_divide(s.out_blocks, s.splits);
        if (pieces >= 64) CU_ASSERT(8 * busiest < 2 * pieces);
    }
    panel_slices s = {.volumes = 1, .positions = 100, .out_blocks = 1, .rows = INT64_MAX / 128};
    CU_ASSERT_FALSE(panel_slices_divide(&s, &tile, LIMIT, 4, machine_of(&some_cpu)));
    s = (panel_slices){.volumes = INT64_MAX / 64, .positions = 1000, .out_blocks = 1, .rows = 1};
    CU_ASSERT_FALSE(panel_slices_divide(&s, &tile, LIMIT, 4, machine_of(&some_cpu)));
}

const char test_suite_name[] = "steps";
const test_entry test_suite[] = {
    {"lists", test_lists},
    {"recipes that are compared", test_compared},
    {"a list after memory was out", test_failed_list},
    {"workspace is aligned", test_reserve},
    {"a kernel launch", test_kernel},
    {"too many buffers", test_too_many_buffers},
    {"too many scalars", test_too_many_scalars},
    {"options that are too long", test_long_options},
    {"a part that overflows", test_overflow_of_part},
    {"an index space", test_range},
    {"every tap reads the right cell of the scratch volume", test_scratch},
    {"sizes of the scratch volume", test_scratch_sizes},
    {"limits of the scratch volume", test_scratch_limits},
    {"packed weights", test_pack},
    {"packed weights that overflow", test_pack_overflow},
    {"register tiles", test_tiles},
    {"slices", test_slices},
    {"slices of panels", test_panel_slices},
    {"parts of a launch", test_parts},
    {NULL, NULL},
};
