/* clconv filter: a bank of 3D filters on a volume, as one Conv3d, and measures made of its responses. The
 * output tensor holds both: the convolution writes its first channels in place, the measures fill the rest.
 */
#include "commands/commands.h"
#include "files/nifti.h"
#include "files/outputs.h"
#include "images/jet.h"
#include "images/phantom.h"
#include "images/picture.h"
#include "options/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct filter_options {
    const char *bank, *png;
    double sigma;
    int64_t size; /* 0: by sigma */
    clconv_padding_mode mode;
    tensor_dtype dtype;
    common_options common;
} filter_options;

/* The work of one call. */
typedef struct filter_job {
    const filter_options *options;
    const char *in, *out;
    clconv_problem problem;
    tensor input, output;
    void *weights; /* of the problem's dtype */
    char device_name[sizeof((clconv_device_info *)0)->name];
    tool_progress progress;
} filter_job;

static int parse_sigma(void *member, const char *name, const char *value)
{
    char *end;
    double sigma = strtod(value, &end);
    if (end == value || *end != '\0' || !(sigma >= 0.1 && sigma <= 20))
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be a number of voxels from 0.1 to 20", name,
                         value);
    *(double *)member = sigma;
    return EXIT_DONE;
}

static int parse_size(void *member, const char *name, const char *value)
{
    int64_t size = 0;
    int status = option_integer(&size, name, value);
    if (status != EXIT_DONE) return status;
    if (size < 3 || size > 127 || size % 2 == 0)
        return tool_fail(EXIT_WRONG_USE, "%s is %" PRId64 "; it must be odd, from 3 to 127", name, size);
    *(int64_t *)member = size;
    return EXIT_DONE;
}

static int parse_bank(void *member, const char *name, const char *value)
{
    if (strcmp(value, "jet") != 0)
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; the only bank is 'jet'", name, value);
    return option_text(member, name, value);
}

static const option_spec filter_table[] = {
    {.name = "bank",
     .argument = "NAME",
     .help = "'jet': Gaussian derivatives up to second order",
     .parse = parse_bank,
     .offset = offsetof(filter_options, bank)},
    {.name = "sigma",
     .argument = "VOXELS",
     .help = "width of the Gaussian, 0.1 to 20; default 1",
     .parse = parse_sigma,
     .offset = offsetof(filter_options, sigma)},
    {.name = "size",
     .argument = "K",
     .help = "kernels of K x K x K, odd; default 2 * ceil(3 * sigma) + 1",
     .parse = parse_size,
     .offset = offsetof(filter_options, size)},
    {.name = "padding-mode",
     .argument = "M",
     .help = "reflect (default), symmetric, replicate, circular or zeros",
     .parse = option_padding_mode,
     .offset = offsetof(filter_options, mode)},
    {.name = "png",
     .argument = "FILE",
     .help = "also a picture: input, smoothed, gradient magnitude,\n"
             "Laplacian and sheet, a row each; axial, coronal and\n"
             "sagittal middle slices, a column each",
     .parse = option_text,
     .offset = offsetof(filter_options, png)},
    DTYPE_OPTION(filter_options),
    MEMORY_LIMIT_OPTION(filter_options),
    {.name = NULL},
};

static const command_help filter_help = {
    "filter",
    "IN OUT --bank jet [--sigma VOXELS] [--size K]\n[--padding-mode M] [--png FILE] [--dtype TYPE]\n"
    "[device and plan options]",
    "Filters the volume IN with a bank of 3D kernels, in one Conv3d, and writes OUT, a tensor\n"
    "of (channels, D, H, W) on the grid of IN.\n"
    "\n"
    "IN is a .nii, .nii.gz or .npy file, or a member FILE.npz:NAME, of (D, H, W), (1, D, H, W)\n"
    "or (1, 1, D, H, W), or phantom:SIZE, a 3D Shepp-Logan head phantom of SIZE voxels a side\n"
    "(8 to 512) made here.\n"
    "OUT ends in .nii, .nii.gz or .npy.\n"
    "\n"
    "The bank jet holds the derivatives of a Gaussian up to second order, per voxel, with x\n"
    "along W, y along H, z along D. Kernels are exact on polynomials: smoothing keeps constants,\n"
    "a first derivative is 1 on its ramp, a second one 1 on x^2/2. The channels of OUT:\n"
    "   0     smoothed\n"
    "   1- 3  d/dx, d/dy, d/dz\n"
    "   4- 9  d2/dx2, d2/dxdy, d2/dxdz, d2/dy2, d2/dydz, d2/dz2\n"
    "  10     gradient magnitude\n"
    "  11     Laplacian, d2/dx2 + d2/dy2 + d2/dz2\n"
    "  12     sheet measure of Sato et al. 2000, with a sign: of the Hessian's eigenvalues\n"
    "         |l1| <= |l2| <= |l3|, -l3 * (1 - |l2/l3|) * (1 - |l1/l3|); above 0 on bright\n"
    "         sheets, below 0 on dark ones, 0 on tubes and blobs",
    2};

/* (D, H, W) of a volume of one channel, whatever dimensions of 1 stand before. */
static int get_extents(const filter_job *job, int64_t extents[3])
{
    static const char rule[] = "(D, H, W), (1, D, H, W) or (1, 1, D, H, W)";
    const tensor *t = &job->input;
    int64_t before = 1;
    for (int i = 0; i + 3 < t->rank; i++)
        before *= t->shape[i];
    if (t->rank < 3 || t->rank > 5)
        return tool_fail(EXIT_WRONG_USE, "IN: '%s' has rank %d; it must be a volume, %s", job->in, t->rank,
                         rule);
    if (before != 1)
        return tool_fail(EXIT_WRONG_USE, "IN: '%s' holds %" PRId64 " volumes; it must be one, %s", job->in,
                         before, rule);
    if (t->elements == 0) return tool_fail(EXIT_WRONG_USE, "IN: '%s' is empty", job->in);
    memcpy(extents, t->shape + t->rank - 3, 3 * sizeof *extents);
    return EXIT_DONE;
}

/* What the library would refuse in terms of padding is said here in terms of the options. */
static int check_padding(const filter_job *job)
{
    const clconv_problem *p = &job->problem;
    int64_t padding = p->pad_before[0];
    bool reflect = p->padding_mode == CLCONV_PADDING_REFLECT;
    bool symmetric = p->padding_mode == CLCONV_PADDING_SYMMETRIC;
    if (!reflect && !symmetric && p->padding_mode != CLCONV_PADDING_CIRCULAR) return EXIT_DONE;
    for (int i = 0; i < 3; i++) {
        if (padding < p->input[i] + (reflect ? 0 : 1)) continue;
        return tool_fail(EXIT_WRONG_USE,
                         "--padding-mode %s needs padding %s size: kernels of size %" PRId64
                         " (--sigma %g, --size) need padding %" PRId64 ", the volume has D, H, W = %" PRId64
                         ", %" PRId64 ", %" PRId64,
                         reflect     ? "reflect"
                         : symmetric ? "symmetric"
                                     : "circular",
                         reflect ? "<" : "<=", p->kernel[0], job->options->sigma, padding, p->input[0],
                         p->input[1], p->input[2]);
    }
    return EXIT_DONE;
}

static int prepare_problem(filter_job *job)
{
    const filter_options *o = job->options;
    clconv_problem *p = &job->problem;
    clconv_problem_init(p);
    p->out_channels = JET_FILTERS;
    p->dtype = job->input.dtype;
    p->padding_mode = o->mode;
    for (int i = 0; i < 3; i++) {
        p->kernel[i] = o->size != 0 ? o->size : jet_default_size(o->sigma);
        p->pad_before[i] = p->pad_after[i] = p->kernel[i] / 2;
    }
    int status = get_extents(job, p->input);
    return status == EXIT_DONE ? check_padding(job) : status;
}

static int make_weights(filter_job *job)
{
    int64_t size = job->problem.kernel[0], count = JET_FILTERS * size * size * size;
    double *bank = calloc((size_t)count, sizeof *bank);
    if (bank == NULL || !jet_fill(job->options->sigma, size, bank)) {
        free(bank);
        return tool_fail(EXIT_FAILED, "out of memory");
    }
    if (job->problem.dtype == CLCONV_FLOAT32) { /* narrowed in place: a float never overtakes its double */
        for (int64_t i = 0; i < count; i++) {
            float narrowed = (float)bank[i];
            memcpy((char *)bank + i * (int64_t)sizeof narrowed, &narrowed, sizeof narrowed);
        }
    }
    job->weights = bank;
    return EXIT_DONE;
}

static int create_output(filter_job *job, outputs *files)
{
    const int64_t *size = job->problem.input, shape[4] = {JET_CHANNELS, size[0], size[1], size[2]};
    static const double origin[3] = {0, 0, 0}, step[3] = {1, 1, 1};
    job->output = (tensor){.dtype = job->input.dtype, .rank = 4};
    memcpy(job->output.shape, shape, sizeof shape);
    job->output.volume = volume_derive(job->input.volume, origin, step);
    return outputs_create_tensor(files, job->out, &job->output);
}

/* One call of the library tells no progress, so that a long one is announced before it begins. */
static void announce(filter_job *job)
{
    const clconv_problem *p = &job->problem;
    double taps = (double)(p->kernel[0] * p->kernel[1] * p->kernel[2]) * (double)JET_FILTERS;
    double products = taps * (double)job->input.elements;
    if (products > 1e9) job->progress.started = tool_seconds() - 60;
    tool_progress_show(&job->progress, "convolving", 0);
}

static int convolve(filter_job *job)
{
    clconv_error err;
    clconv_plan_options how;
    clconv_context *context = NULL;
    int status = common_options_open(&job->options->common, &context);
    if (status != EXIT_DONE) return status;
    common_options_plan(&job->options->common, &how);
    memcpy(job->device_name, clconv_context_device_info(context)->name, sizeof job->device_name);
    const clconv_host_tensors tensors = {
        .input = job->input.data, .weight = job->weights, .output = job->output.data};
    if (clconv_conv3d_host(context, &job->problem, &how, &tensors, &err) != CLCONV_SUCCESS)
        status = tool_fail_library(NULL, &err);
    common_options_close(&job->options->common, context);
    return status;
}

static void measure_voxel(tensor *t, int64_t voxels, int64_t at)
{
    double responses[JET_FILTERS], measures[JET_CHANNELS - JET_FILTERS];
    bool wide = t->dtype == CLCONV_FLOAT64;
    double *d = t->data;
    float *f = t->data;
    for (int c = 0; c < JET_FILTERS; c++)
        responses[c] = wide ? d[c * voxels + at] : (double)f[c * voxels + at];
    jet_measure(responses, measures);
    for (int c = JET_FILTERS; c < JET_CHANNELS; c++) {
        if (wide)
            d[c * voxels + at] = measures[c - JET_FILTERS];
        else
            f[c * voxels + at] = (float)measures[c - JET_FILTERS];
    }
}

static void measure(filter_job *job)
{
    const int64_t *size = job->problem.input;
    int64_t slice = size[1] * size[2];
    for (int64_t z = 0; z < size[0]; z++) {
        tool_progress_show(&job->progress, "measuring", (double)z / (double)size[0]);
        for (int64_t i = 0; i < slice; i++)
            measure_voxel(&job->output, size[0] * slice, z * slice + i);
    }
}

static const void *channel(const filter_job *job, int index)
{
    int64_t width = job->output.dtype == CLCONV_FLOAT64 ? 8 : 4;
    return (const char *)job->output.data + index * (job->output.elements / JET_CHANNELS) * width;
}

static int draw_picture(const filter_job *job, outputs *files)
{
    const char *path = job->options->png, *slash = strrchr(job->in, '/');
    const int64_t *size = job->problem.input;
    char volume[256], how[512];
    const picture_row rows[] = {{"input", PICTURE_GREY, job->input.data},
                                {"smoothed", PICTURE_GREY, channel(job, 0)},
                                {"gradient magnitude", PICTURE_HEAT, channel(job, JET_GRADIENT)},
                                {"Laplacian", PICTURE_SIGNED, channel(job, JET_LAPLACIAN)},
                                {"sheet", PICTURE_SIGNED, channel(job, JET_SHEET)}};
    picture p = {.title = "clconv filter --bank jet",
                 .lines = {volume, how},
                 .dtype = job->input.dtype,
                 .shape = {size[0], size[1], size[2]},
                 .frame = volume_get_frame(job->input.volume),
                 .oriented = job->input.volume != NULL,
                 .row_count = sizeof rows / sizeof rows[0],
                 .rows = rows};
    snprintf(volume, sizeof volume, "%s: %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (D x H x W)",
             slash == NULL ? job->in : slash + 1, size[0], size[1], size[2]);
    snprintf(how, sizeof how, "sigma %g, %d kernels of size %" PRId64 ", on %s", job->options->sigma,
             (int)JET_FILTERS, job->problem.kernel[0], job->device_name);
    FILE *file = outputs_open(files, path);
    errno = 0;
    if (file == NULL || !picture_write(&p, file))
        return tool_fail(EXIT_FAILED, "--png: cannot write '%s': %s", path,
                         errno != 0 ? strerror(errno) : "the picture could not be made");
    return outputs_close(files, path);
}

static int read_input(filter_job *job)
{
    int status = EXIT_DONE;
    tensor_dtype dtype = job->options->dtype;
    if (!phantom_read("IN", job->in, dtype, &job->input, &status))
        return tensor_read("IN", job->in, dtype, &job->input);
    if (status == EXIT_DONE)
        fprintf(stderr, "clconv: IN is a 3D Shepp-Logan phantom made here, no real volume\n");
    return status;
}

static int run(filter_job *job, outputs *files)
{
    const char *png = job->options->png;
    int status = outputs_claim(files, "OUT", job->out);
    if (status == EXIT_DONE && png != NULL) status = outputs_claim_picture(files, "--png", png);
    if (status == EXIT_DONE) status = read_input(job);
    if (status == EXIT_DONE) status = prepare_problem(job);
    if (status == EXIT_DONE) status = make_weights(job);
    if (status == EXIT_DONE) status = create_output(job, files);
    if (status == EXIT_DONE) announce(job);
    if (status == EXIT_DONE) status = convolve(job);
    if (status == EXIT_DONE) measure(job);
    if (status == EXIT_DONE) tool_progress_show(&job->progress, "writing", 1);
    if (status == EXIT_DONE) status = outputs_write_tensor(files, job->out, &job->output);
    if (status == EXIT_DONE && png != NULL) status = draw_picture(job, files);
    if (status == EXIT_DONE) status = outputs_commit(files);
    tool_progress_show(&job->progress, NULL, 0);
    return status;
}

int cmd_filter(int argc, char **argv)
{
    filter_options options = {.sigma = 1, .mode = CLCONV_PADDING_REFLECT};
    const char *operands[2];
    common_options_init(&options.common);
    const option_group groups[] = {{"filter", filter_table, &options},
                                   {"device and plan", common_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&filter_help, groups, argc, argv, operands);
    if (status != OPTIONS_PARSED) return status;
    if (options.bank == NULL)
        return tool_fail(EXIT_WRONG_USE, "filter: --bank is missing; the only bank is 'jet'");

    filter_job job = {.options = &options, .in = operands[0], .out = operands[1]};
    outputs *files = outputs_create();
    status = files != NULL ? run(&job, files) : tool_fail(EXIT_FAILED, "out of memory");
    outputs_release(files);
    free(job.weights);
    tensor_release(&job.output);
    tensor_release(&job.input);
    return status;
}
