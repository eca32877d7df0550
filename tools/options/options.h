/* Command lines. Each command has tables of options; one function parses by them (getopt_long) and prints
 * --help from them, so that what is parsed and what is documented cannot differ. The tables of conv options
 * and of common options are here. Parsers return an exit status of tool.h and have reported their failure. */
#ifndef CLCONV_TOOLS_OPTIONS_OPTIONS_H
#define CLCONV_TOOLS_OPTIONS_OPTIONS_H

#include "files/tensor.h"

/* Stores `value` (NULL for a flag) in `member`; `name` is the option with its dashes, for messages. */
typedef int (*option_parser)(void *member, const char *name, const char *value);

/* A table of these ends in one whose name is NULL. */
typedef struct option_spec {
    const char *name;     /* without the dashes */
    const char *argument; /* "FILE"; NULL for a flag */
    const char *help;     /* one line; a newline goes on in the same column */
    option_parser parse;
    size_t offset; /* of the member in the group's struct */
} option_spec;

/* A table and the struct that it fills. An array of these ends in one whose table is NULL. */
typedef struct option_group {
    const char *title; /* of its part of --help */
    const option_spec *table;
    void *into;
} option_group;

typedef struct command_help {
    const char *name;     /* "run" */
    const char *synopsis; /* what follows the name; a newline goes on in the same column */
    const char *summary;  /* a paragraph */
    int operands;         /* exactly so many arguments that are no options */
} command_help;

/* The first extent of a shape that was not given. */
#define SHAPE_MISSING INT64_MIN

/* What options_parse() returns if the command is to go on; anything else is the command's exit status. */
enum { OPTIONS_PARSED = -1 };

/* Operands, of which the caller has room for help->operands, go to `operands` (NULL if there are none). */
int options_parse(const command_help *help, const option_group *groups, int argc, char **argv,
                  const char **operands);

/* What --padding says. */
typedef struct conv_padding {
    int same;
    int64_t before[3], after[3];
} conv_padding;

/* What --activation says: the slope is leaky_relu's. */
typedef struct activation_choice {
    clconv_activation activation;
    double slope;
} activation_choice;

/* Parsers for tables. */
int option_flag(void *member, const char *name, const char *value);         /* int: 1 */
int option_text(void *member, const char *name, const char *value);         /* const char *; not empty */
int option_integer(void *member, const char *name, const char *value);      /* int64_t */
int option_positive(void *member, const char *name, const char *value);     /* int64_t, at least 1 */
int option_seed(void *member, const char *name, const char *value);         /* uint64_t */
int option_seconds(void *member, const char *name, const char *value);      /* double, above 0 */
int option_bytes(void *member, const char *name, const char *value);        /* uint64_t, with K, M or G */
int option_extents(void *member, const char *name, const char *value);      /* int64_t[3]: an int or d,h,w */
int option_shape(void *member, const char *name, const char *value);        /* int64_t[5] */
int option_padding_mode(void *member, const char *name, const char *value); /* clconv_padding_mode */
int option_padding(void *member, const char *name, const char *value);      /* conv_padding */
int option_op(void *member, const char *name, const char *value);           /* clconv_op */
int option_activation(void *member, const char *name, const char *value);   /* activation_choice */
int option_dtype(void *member, const char *name, const char *value);        /* tensor_dtype */

/* --dtype of commands that read tensors, an entry of a table whose struct is `type` and has a `dtype`. */
#define DTYPE_OPTION(type)                                                            \
    {                                                                                 \
        .name = "dtype", .argument = "TYPE",                                          \
        .help = "float32 or float64: what all tensors become, whatever their files\n" \
                "hold; default: float32 and float64 stay, other types are refused\n"  \
                "but for a volume's, which become float32",                           \
        .parse = option_dtype, .offset = offsetof(type, dtype)                        \
    }

/* --stride, --padding, --dilation, --groups, --padding-mode. */
typedef struct conv_options {
    int64_t stride[3], dilation[3], groups;
    conv_padding padding;
    clconv_padding_mode mode;
} conv_options;

extern const option_spec conv_option_table[];
void conv_options_init(conv_options *options);
int conv_options_are_default(const conv_options *options);

/* Puts them into a problem whose shapes are set; reports what breaks a rule of Conv3d. */
int conv_options_apply(const conv_options *options, clconv_problem *problem);

typedef struct shape_view {
    int rank;
    const int64_t *extents;
} shape_view;

/* The problem of tensors of these shapes, batched or not; `bias` may be NULL. Reports shapes that do not fit
 * each other in PyTorch's words. The problem has been through clconv_problem_init() or has its dtype set. */
int conv_problem(const conv_options *options, shape_view input, shape_view weight, const shape_view *bias,
                 clconv_problem *problem);

/* The same for ConvTranspose3d: the problem becomes the one whose input gradient it is. */
int conv_problem_transposed(const conv_options *options, const int64_t output_padding[3], shape_view input,
                            shape_view weight, const shape_view *bias, clconv_problem *problem);

/* Reports a tensor whose type is not the input's. */
int types_match(const char *name, clconv_dtype dtype, clconv_dtype input);

/* Reports a tensor that must have the output's shape and has not. */
int shapes_match(const char *option, shape_view tensor, shape_view output);

/* --device, --algorithm, --workspace-limit, --strict, --verbose. */
typedef struct common_options {
    const char *device, *algorithm;
    const char *parameters; /* of commands that take --parameters */
    uint64_t workspace_limit, memory_limit;
    int strict, verbose;
    int exportable, plans_only; /* of clconv_context_options */
} common_options;

/* --memory-limit of commands that compute in blocks, an entry of a table whose struct is `type` and has them as `common`. */
#define MEMORY_LIMIT_OPTION(type)                                                                           \
    {                                                                                                       \
        .name = "memory-limit", .argument = "BYTES",                                                        \
        .help = "of the device, for all, with K, M or G: computes in blocks\nwithin it; default: what the " \
                "device has",                                                                               \
        .parse = option_bytes, .offset = offsetof(type, common) + offsetof(common_options, memory_limit)    \
    }

/* --parameters of commands that have them as `common` in their struct `type`. */
#define PARAMETERS_OPTION(type)                                                                       \
    {                                                                                                 \
        .name = "parameters", .argument = "NAME=VALUE,...",                                           \
        .help = "in place of those that the algorithm, which must be\nnamed, chooses for itself",     \
        .parse = option_text, .offset = offsetof(type, common) + offsetof(common_options, parameters) \
    }

extern const option_spec common_option_table[];
extern const option_spec device_option_table[]; /* --device and --verbose alone, for the same struct */
void common_options_init(common_options *options);
int common_options_open(const common_options *options, clconv_context **context);

/* Releases a context. If it has built programs that earlier commands have built too, which the driver would have to compile
 * again to be kept on disk, a process of its own is left that does so when the processor is idle. */
void common_options_close(const common_options *options, clconv_context *context);

void common_options_plan(const common_options *options, clconv_plan_options *plan);

#endif
