/* The text of tuning data: see data.h. */
#include "base/checksum.h"
#include "base/error.h"
#include "tuning/data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "clconv tuning 1", last[] = "end";
static const char *const kinds[] = {
    [TUNING_BEST] = "best", [TUNING_TRIAL] = "trial", [TUNING_FAILED] = "failed"};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The lines of an entry in their order. */
enum {
    ENTRY,
    PLATFORM,
    DEVICE,
    DRIVER,
    BUILD,
    OP,
    PROBLEM,
    MANNER,
    ALGORITHM,
    PARAMETERS,
    USUAL,
    TIME,
    DEFAULT_TIME,
    NOISE,
    REASON,
    TUNED,
    SUM,
    LINES
};
static const char *const names[LINES] = {[ENTRY] = "entry",
                                         [PLATFORM] = "platform",
                                         [DEVICE] = "device",
                                         [DRIVER] = "driver",
                                         [BUILD] = "clconv",
                                         [OP] = "op",
                                         [PROBLEM] = "problem",
                                         [MANNER] = "manner",
                                         [ALGORITHM] = "algorithm",
                                         [PARAMETERS] = "parameters",
                                         [USUAL] = "default",
                                         [TIME] = "time_ns",
                                         [REASON] = "reason",
                                         [DEFAULT_TIME] = "default_ns",
                                         [NOISE] = "noise_ppm",
                                         [TUNED] = "tuned",
                                         [SUM] = "sum"};

enum { LONGEST = 1024 };

typedef struct parser {
    byte_span text;
    size_t at, line; /* where the next line begins; the number of the last */
    const char *file;
    clconv_error *err;
} parser;

static clconv_status refuse(const parser *p, const char *why)
{
    return error_set(p->err, CLCONV_FILE_FAILED, "%s:%zu: %s", p->file, p->line, why);
}

/* Copies the next line without its end; false at the end of the text, in a line too long, one with a zero byte or one that has no
 * end: then the rest is no text of this kind. */
static bool next_line(parser *p, char line[LONGEST])
{
    const char *start = p->text.bytes + p->at;
    const char *end = p->at < p->text.size ? memchr(start, '\n', p->text.size - p->at) : NULL;
    p->line++;
    if (end == NULL || end - start >= LONGEST || memchr(start, '\0', (size_t)(end - start)) != NULL)
        return false;
    memcpy(line, start, (size_t)(end - start));
    line[end - start] = '\0';
    p->at += (size_t)(end - start) + 1;
    return true;
}

static bool take_text(char *to, size_t room, const char *from)
{
    size_t length = strlen(from);
    if (length == 0 || length >= room) return false;
    memcpy(to, from, length + 1);
    return true;
}

/* "-" stands for nothing. */
static bool take_optional(char *to, size_t room, const char *from)
{
    if (!take_text(to, room, from)) return false;
    if (strcmp(to, "-") == 0) to[0] = '\0';
    return true;
}

static bool take_number(int64_t *to, const char *from)
{
    char *end;
    errno = 0;
    long long value = strtoll(from, &end, 10);
    if (*from < '0' || *from > '9' || *end != '\0' || errno != 0) return false;
    *to = value;
    return true;
}

static bool take_kind(tuning_kind *to, const char *from)
{
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i], from) != 0) continue;
        *to = (tuning_kind)i;
        return true;
    }
    return false;
}

static bool read_values(char values[LINES][LONGEST], tuning_entry *e)
{
    return take_kind(&e->kind, values[ENTRY]) &&
           take_text(e->place.platform, sizeof e->place.platform, values[PLATFORM]) &&
           take_text(e->place.device, sizeof e->place.device, values[DEVICE]) &&
           take_text(e->place.driver, sizeof e->place.driver, values[DRIVER]) &&
           take_text(e->place.build, sizeof e->place.build, values[BUILD]) &&
           tuning_class_parse(values[OP], values[MANNER], values[PROBLEM], &e->class) &&
           take_text(e->algorithm, sizeof e->algorithm, values[ALGORITHM]) &&
           take_optional(e->parameters, sizeof e->parameters, values[PARAMETERS]) &&
           take_optional(e->usual, sizeof e->usual, values[USUAL]) &&
           take_number(&e->time_ns, values[TIME]) && take_number(&e->default_ns, values[DEFAULT_TIME]) &&
           take_number(&e->noise_ppm, values[NOISE]) &&
           take_optional(e->reason, sizeof e->reason, values[REASON]) &&
           take_number(&e->tuned, values[TUNED]);
}

/* An entry from its second line on; the first has been read from `start` and is `first`. */
static clconv_status parse_entry(parser *p, size_t start, const char *first, tuning_entry *e)
{
    char values[LINES][LONGEST], line[LONGEST], sum[CHECKSUM_TEXT];
    size_t summed = start;
    snprintf(line, sizeof line, "%s", first);
    for (int i = 0; i < LINES; i++) {
        size_t length = strlen(names[i]);
        if (i == SUM) summed = p->at;
        if (i > 0 && !next_line(p, line)) return refuse(p, "the text ends within an entry");
        if (strncmp(line, names[i], length) != 0 || line[length] != ' ')
            return error_set(p->err, CLCONV_FILE_FAILED, "%s:%zu: the line must be '%s' and a value", p->file,
                             p->line, names[i]);
        snprintf(values[i], sizeof values[i], "%s", line + length + 1);
    }
    checksum_text(p->text.bytes + start, summed - start, sum);
    if (strcmp(sum, values[SUM]) != 0) return refuse(p, "the entry has been changed: its sum is another");
    *e = (tuning_entry){.kind = TUNING_BEST};
    return read_values(values, e) ? CLCONV_SUCCESS : refuse(p, "the entry above has a value that is none");
}

/* Entries up to the end of the text, which must be `end`; the header begins it and may follow an `end`. */
static clconv_status parse_all(parser *p, tuning_data *data)
{
    char line[LONGEST];
    tuning_entry *e = malloc(sizeof *e);
    bool is_open = false;
    clconv_status status =
        e != NULL ? CLCONV_SUCCESS : error_set(p->err, CLCONV_OUT_OF_MEMORY, "no memory for tuning data");
    while (status == CLCONV_SUCCESS && p->at < p->text.size) {
        size_t start = p->at;
        if (!next_line(p, line)) {
            status = refuse(p, "is no line of text");
        } else if (line[0] == '\0' || line[0] == '#') {
            continue;
        } else if (!is_open) {
            is_open = strcmp(line, header) == 0;
            if (!is_open) status = refuse(p, "the first line must be 'clconv tuning 1'");
        } else if (strcmp(line, last) == 0) {
            is_open = false;
        } else {
            status = parse_entry(p, start, line, e);
            if (status == CLCONV_SUCCESS) status = tuning_add(data, e, p->err);
        }
    }
    free(e);
    if (status == CLCONV_SUCCESS && (is_open || p->line == 0))
        status = refuse(p, "the last line must be 'end': something is missing");
    return status;
}

clconv_status tuning_parse(byte_span text, const char *file, tuning_data *data, clconv_error *err)
{
    parser p = {.text = text, .file = file, .err = err};
    tuning_data all = {NULL};
    clconv_status status = tuning_merge(&all, data, err);
    if (status == CLCONV_SUCCESS) status = parse_all(&p, &all);
    if (status == CLCONV_SUCCESS) {
        tuning_release(data);
        *data = all;
    } else {
        tuning_release(&all);
    }
    return status;
}

static int by_name(const void *a, const void *b)
{
    const tuning_entry *x = a, *y = b;
    char manner[TUNING_MANNER], other[TUNING_MANNER];
    tuning_manner_format(&x->class, manner);
    tuning_manner_format(&y->class, other);
    const char *const pairs[][2] = {
        {x->place.device, y->place.device},
        {x->place.platform, y->place.platform},
        {x->place.driver, y->place.driver},
        {x->place.build, y->place.build},
        {clconv_op_name(x->class.op), clconv_op_name(y->class.op)},
        {x->class.problem, y->class.problem},
        {manner, other},
        {kinds[x->kind], kinds[y->kind]},
        {x->algorithm, y->algorithm},
        {x->parameters, y->parameters},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int order = strcmp(pairs[i][0], pairs[i][1]);
        if (order != 0) return order;
    }
    return 0;
}

static void format_entry(const tuning_entry *e, text *out)
{
    char manner[TUNING_MANNER], sum[CHECKSUM_TEXT];
    size_t start = out->length;
    tuning_manner_format(&e->class, manner);
    text_append(out, "entry %s\nplatform %s\ndevice %s\ndriver %s\nclconv %s\n", kinds[e->kind],
                e->place.platform, e->place.device, e->place.driver, e->place.build);
    text_append(out, "op %s\nproblem %s\nmanner %s\nalgorithm %s\nparameters %s\ndefault %s\n",
                clconv_op_name(e->class.op), e->class.problem, manner, e->algorithm,
                e->parameters[0] != '\0' ? e->parameters : "-", e->usual[0] != '\0' ? e->usual : "-");
    text_append(out, "time_ns %" PRId64 "\ndefault_ns %" PRId64 "\nnoise_ppm %" PRId64 "\n", e->time_ns,
                e->default_ns, e->noise_ppm);
    text_append(out, "reason %s\ntuned %" PRId64 "\n", e->reason[0] != '\0' ? e->reason : "-", e->tuned);
    if (out->failed) return;
    checksum_text(out->data + start, out->length - start, sum);
    text_append(out, "sum %s\n\n", sum);
}

void tuning_format(tuning_data *data, bool with_trials, text *out)
{
    if (data->count > 0) qsort(data->entries, data->count, sizeof *data->entries, by_name);
    text_append(out,
                "%s\n# What clconv tune measured. Files may be put one after the other; entries are used as "
                "they are or"
                " not at all.\n\n",
                header);
    for (size_t i = 0; i < data->count; i++)
        if (with_trials || data->entries[i].kind != TUNING_TRIAL) format_entry(&data->entries[i], out);
    text_append(out, "%s\n", last);
}
