/* Parsing and --help of a command line from its tables, and the parsers of single values. Numbers are taken
 * whole or refused: no trailing text, no value out of range. */
#include "options/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 32, HELP_COLUMN = 34, FIRST_VALUE = 256 };

static int count_options(const option_group *groups)
{
    int count = 0;
    for (const option_group *g = groups; g->table; g++) {
        for (const option_spec *o = g->table; o->name; o++) {
            count++;
        }
    }
    return count;
}

/* Lines of `text`, those after the first indented to `column`. */
static void print_indented(const char *text, int column)
{
    for (;;) {
        size_t length = strcspn(text, "\n");
        printf("%.*s\n", (int)length, text);
        if (!text[length]) return;
        text += length + 1;
        printf("%*s", column, "");
    }
}

static void print_option(const char *name, const char *argument, const char *help)
{
    int width = printf("  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
    printf("%*s", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "");
    print_indented(help, HELP_COLUMN);
}

static int print_help(const command_help *help, const option_group *groups)
{
    int width = printf("usage: clconv %s ", help->name);
    print_indented(help->synopsis, width);
    printf("\n%s\n", help->summary);
    for (const option_group *g = groups; g->table; g++) {
        printf("\n%s:\n", g->title);
        for (const option_spec *o = g->table; o->name; o++) {
            print_option(o->name, o->argument, o->help);
        }
    }
    printf("\n");
    print_option("help", NULL, "shows this text");
    return EXIT_DONE;
}

static void fill_getopt(const option_group *groups, struct option *longs, const option_spec **specs,
                        void **members)
{
    int i = 0;
    for (const option_group *g = groups; g->table; g++) {
        for (const option_spec *o = g->table; o->name; o++, i++) {
            longs[i] = (struct option){o->name, o->argument ? required_argument : no_argument, NULL,
                                       FIRST_VALUE + i};
            specs[i] = o;
            members[i] = (char *)g->into + o->offset;
        }
    }
    longs[i] = (struct option){"help", no_argument, NULL, 'h'};
    longs[i + 1] = (struct option){NULL, 0, NULL, 0};
}

/* getopt's refusal, in words. `word` is the argument that it stopped at. */
static int refuse(const command_help *help, int code, const char *word)
{
    if (code == ':') return tool_fail(EXIT_WRONG_USE, "%s: option '%s' needs a value", help->name, word);
    if (optopt >= FIRST_VALUE || optopt == 'h') {
        return tool_fail(EXIT_WRONG_USE, "%s: option '%s' takes no value", help->name, word);
    }
    return tool_fail(EXIT_WRONG_USE,
                     "%s: '%s' is no option, or short for several; 'clconv %s --help' lists them", help->name,
                     word, help->name);
}

static int take_operands(const command_help *help, int argc, char **argv, const char **operands)
{
    int found = argc - optind;
    if (found > help->operands) {
        return tool_fail(EXIT_WRONG_USE, "%s: unexpected argument '%s'", help->name,
                         argv[optind + help->operands]);
    }
    if (found < help->operands) {
        return tool_fail(EXIT_WRONG_USE, "%s: needs %d arguments that are no options, got %d", help->name,
                         help->operands, found);
    }
    for (int i = 0; i < found; i++) {
        operands[i] = argv[optind + i];
    }
    return OPTIONS_PARSED;
}

int options_parse(const command_help *help, const option_group *groups, int argc, char **argv,
                  const char **operands)
{
    struct option longs[MAX_OPTIONS + 2];
    const option_spec *specs[MAX_OPTIONS];
    void *members[MAX_OPTIONS];
    bool given[MAX_OPTIONS] = {false};
    if (count_options(groups) > MAX_OPTIONS) abort();
    fill_getopt(groups, longs, specs, members);
    optind = 1;
    opterr = 0;
    for (;;) {
        int at = optind; /* the argument that getopt takes next, once operands are moved behind it */
        int code = getopt_long(argc, argv, ":h", longs, NULL);
        if (code == -1) return take_operands(help, argc, argv, operands);
        if (code == 'h') return print_help(help, groups);
        if (code == '?' || code == ':') return refuse(help, code, argv[optind > at ? optind - 1 : at]);
        const option_spec *o = specs[code - FIRST_VALUE];
        char name[64];
        snprintf(name, sizeof name, "--%s", o->name);
        if (given[code - FIRST_VALUE])
            return tool_fail(EXIT_WRONG_USE, "%s: %s is given twice", help->name, name);
        given[code - FIRST_VALUE] = true;
        int status = o->parse(members[code - FIRST_VALUE], name, optarg);
        if (status != EXIT_DONE) return status;
    }
}

int option_flag(void *member, const char *name, const char *value)
{
    (void)name, (void)value;
    *(int *)member = 1;
    return EXIT_DONE;
}

int option_text(void *member, const char *name, const char *value)
{
    if (!*value) return tool_fail(EXIT_WRONG_USE, "%s is empty", name);
    *(const char **)member = value;
    return EXIT_DONE;
}

/* An integer at *text, which moves behind it; a sign, digits, nothing else. */
static int scan_integer(const char **text, int64_t *value)
{
    const char *digits = **text == '-' || **text == '+' ? *text + 1 : *text;
    if (*digits < '0' || *digits > '9') return 0;
    char *end;
    errno = 0;
    long long number = strtoll(*text, &end, 10);
    if (errno) return 0;
    *text = end;
    *value = number;
    return 1;
}

/* Up to `capacity` integers with commas between; their number, or 0 if it is no such list. */
static int scan_list(const char *text, int capacity, int64_t *values)
{
    for (int count = 0; count < capacity;) {
        if (!scan_integer(&text, &values[count++])) return 0;
        if (!*text) return count;
        if (*text++ != ',') return 0;
    }
    return 0;
}

int option_integer(void *member, const char *name, const char *value)
{
    int64_t number;
    if (scan_list(value, 1, &number) != 1) {
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be an integer of 64 bits", name, value);
    }
    *(int64_t *)member = number;
    return EXIT_DONE;
}

int option_positive(void *member, const char *name, const char *value)
{
    int64_t number;
    if (scan_list(value, 1, &number) != 1 || number < 1) {
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be a positive integer", name, value);
    }
    *(int64_t *)member = number;
    return EXIT_DONE;
}

int option_seed(void *member, const char *name, const char *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno) {
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be an integer from 0 to 2^64 - 1", name, value);
    }
    *(uint64_t *)member = number;
    return EXIT_DONE;
}

int option_seconds(void *member, const char *name, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);
    if (end == value || *end || !isfinite(seconds) || seconds <= 0) {
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be a number of seconds above 0", name, value);
    }
    *(double *)member = seconds;
    return EXIT_DONE;
}

int option_bytes(void *member, const char *name, const char *value)
{
    static const char suffixes[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    int shift = suffix ? 10 * (int)(suffix - suffixes + 1) : 0;
    int bad = *value < '0' || *value > '9' || errno || (*end && !suffix) || (suffix && end[1]);
    if (bad || number > UINT64_MAX >> shift) {
        return tool_fail(EXIT_WRONG_USE,
                         "%s is '%s'; it must be a number of bytes, or one followed by K, M or G", name,
                         value);
    }
    *(uint64_t *)member = number << shift;
    return EXIT_DONE;
}

int option_extents(void *member, const char *name, const char *value)
{
    int64_t values[3], *extents = member;
    int count = scan_list(value, 3, values);
    if (count != 1 && count != 3) {
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be an integer or three: d,h,w", name, value);
    }
    for (int axis = 0; axis < 3; axis++) {
        extents[axis] = values[count == 3 ? axis : 0];
    }
    return EXIT_DONE;
}

int option_shape(void *member, const char *name, const char *value)
{
    int64_t values[5];
    if (scan_list(value, 5, values) != 5) {
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be five integers with commas between", name,
                         value);
    }
    memcpy(member, values, sizeof values);
    return EXIT_DONE;
}

int option_padding(void *member, const char *name, const char *value)
{
    conv_padding padding = {.same = !strcmp(value, "same")};
    int64_t values[6] = {0};
    int words = padding.same || !strcmp(value, "valid");
    int count = words ? 1 : scan_list(value, 6, values);
    if (count != 1 && count != 3 && count != 6) {
        return tool_fail(EXIT_WRONG_USE,
                         "%s is '%s'; it must be 'same', 'valid', an integer, three (d,h,w) or six "
                         "(d_before,d_after,h_before,h_after,w_before,w_after)",
                         name, value);
    }
    for (int axis = 0; axis < 3; axis++) {
        padding.before[axis] = values[count == 6 ? 2 * axis : count == 3 ? axis : 0];
        padding.after[axis] = values[count == 6 ? 2 * axis + 1 : count == 3 ? axis : 0];
    }
    *(conv_padding *)member = padding;
    return EXIT_DONE;
}

int option_padding_mode(void *member, const char *name, const char *value)
{
    static const char *const modes[] = {"zeros", "reflect", "replicate", "circular", "symmetric"};
    for (int mode = 0; mode < 5; mode++) {
        if (strcmp(value, modes[mode]) != 0) continue;
        *(clconv_padding_mode *)member = (clconv_padding_mode)mode;
        return EXIT_DONE;
    }
    return tool_fail(EXIT_WRONG_USE,
                     "%s is '%s'; it must be 'zeros', 'reflect', 'replicate', 'circular' or 'symmetric'",
                     name, value);
}

int option_op(void *member, const char *name, const char *value)
{
    for (int op = 0; clconv_op_name((clconv_op)op); op++) {
        if (strcmp(value, clconv_op_name((clconv_op)op)) != 0) continue;
        *(clconv_op *)member = (clconv_op)op;
        return EXIT_DONE;
    }
    return tool_fail(EXIT_WRONG_USE,
                     "%s is '%s'; it must be 'forward', 'backward-input', 'backward-weight', 'backward-bias' "
                     "or 'transposed'",
                     name, value);
}

int option_dtype(void *member, const char *name, const char *value)
{
    int wide = !strcmp(value, "float64");
    if (!wide && strcmp(value, "float32") != 0)
        return tool_fail(EXIT_WRONG_USE, "%s is '%s'; it must be 'float32' or 'float64'", name, value);
    *(tensor_dtype *)member = wide ? TENSOR_DTYPE_FLOAT64 : TENSOR_DTYPE_FLOAT32;
    return EXIT_DONE;
}

int option_activation(void *member, const char *name, const char *value)
{
    static const char *const names[] = {"none", "relu", "leaky_relu", "silu", "sigmoid", "tanh", "gelu"};
    size_t length = strcspn(value, ":");
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        if (strlen(names[i]) != length || strncmp(value, names[i], length) != 0) continue;
        activation_choice choice = {(clconv_activation)i, 0.01};
        char *end = NULL;
        if (value[length]) {
            choice.slope = strtod(value + length + 1, &end);
            int is_number = end != value + length + 1 && !*end && isfinite(choice.slope);
            if (choice.activation != CLCONV_ACTIVATION_LEAKY_RELU || !is_number) break;
        }
        *(activation_choice *)member = choice;
        return EXIT_DONE;
    }
    return tool_fail(
        EXIT_WRONG_USE,
        "%s is '%s'; it must be none, relu, leaky_relu, leaky_relu:SLOPE (a finite number), silu, "
        "sigmoid, tanh or gelu",
        name, value);
}
